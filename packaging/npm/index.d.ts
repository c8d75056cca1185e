/** How to start a server. */
export interface Options {
  /** The port; by default a free one. */
  port?: number;
  /** Serve on a socket file instead of a port. */
  unix?: boolean;
  /** Where the server keeps its files, and is left; by default a folder that goes with the server. */
  directory?: string;
  /** Another program; by default what REDSTART_BIN names, or what this package carries. */
  binary?: string;
  /** How long the server has to start, in milliseconds; 20,000 by default. */
  timeoutMs?: number;
  /** The server's parameters: `{ maxmemory: '10mb', appendonly: true }`. */
  parameters?: Record<string, string | number | boolean>;
}

/** A server of its own for this process. */
export class Server {
  private constructor();
  /** Its port, or null if it has a socket file. */
  readonly port: number | null;
  /** Its socket file, or null if it has a port. */
  readonly path: string | null;
  /** Its folder. */
  readonly directory: string;
  /** Its process. */
  readonly pid: number;
  /** Its address, as clients take it: `redis://127.0.0.1:41234/0`; for a socket file `unix://...`. */
  readonly url: string;
  /** What it has told so far. */
  log(): string;
  /** Ends it, with its shutdown: it saves if it has save points. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a server; rejects with the end of its log if it does not serve. */
export function start(options?: Options): Promise<Server>;

/** The path of the server's program. */
export function program(): string;
