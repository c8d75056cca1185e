// What a program in TypeScript may say of the npm package, and what it may not.
import { Options, Server, program, start } from 'redstart-server';

const options: Options = { unix: true, parameters: { maxmemory: '10mb', appendonly: true, threads: 1 } };

export async function use(): Promise<string> {
  const server: Server = await start(options);
  const port: number | null = server.port;
  await server.stop();
  // @ts-expect-error: a port is a number.
  await start({ port: 'x' });
  return `${server.url} ${port} ${server.log()} ${program()}`;
}
