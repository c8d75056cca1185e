# Sidekiq with a real worker: queues are lists and a set, what is to come, to be tried again and dead
# are sorted sets. REDIS_URL names the server; ends with an error at the first thing that is not so.
require_relative 'jobs'

$stdout.sync = true
def check(what, value, expected)
  raise "#{what}: #{value.inspect} is not #{expected.inspect}" unless value == expected

  puts "ok: #{what}"
end

def wait_for(what)
  deadline = Time.now + 60
  until yield
    raise "#{what}: it did not come" if Time.now > deadline

    sleep 0.05
  end
  puts "ok: #{what}"
end

Sidekiq.redis(&:flushall)
20.times { |number| Add.perform_async(number, 1) }
Sidekiq::Client.push_bulk('class' => Add, 'args' => (0...30).map { |number| [number, 2] })
Add.perform_in(1, 100, 100)
cancelled = Add.perform_in(3600, 0, 0)
check('two jobs are scheduled', Sidekiq::ScheduledSet.new.size, 2)
Sidekiq::ScheduledSet.new.find_job(cancelled).delete
check('one was deleted', Sidekiq::ScheduledSet.new.size, 1)
ThirdTime.perform_async
Fails.perform_async
check('52 jobs wait', Sidekiq::Queue.new.size, 52)

worker = spawn('sidekiq', '-r', File.join(__dir__, 'jobs.rb'), '-c', '5', %i[out err] => File::NULL)
begin
  wait_for('51 sums') { Sidekiq.redis { |redis| redis.llen('sums') } == 51 }
  wait_for('a job is tried a third time') do
    Sidekiq::RetrySet.new.retry_all
    Sidekiq.redis { |redis| redis.get('tries') } == '3'
  end
  wait_for('a job is dead') { Sidekiq::DeadSet.new.size == 1 }
  wait_for('the worker is listed') { Sidekiq::ProcessSet.new.map { |it| it['concurrency'] } == [5] }
  wait_for('55 were processed') { Sidekiq::Stats.new.processed == 55 }
  stats = Sidekiq::Stats.new
  check('sizes', [stats.failed, stats.retry_size, stats.scheduled_size, stats.dead_size], [3, 0, 0, 1])
  Sidekiq::DeadSet.new.each(&:retry)
  wait_for('the dead job ran again') { Sidekiq::Stats.new.failed == 4 }
ensure
  Process.kill('TERM', worker)
  Process.wait(worker)
end
check('no worker is left', Sidekiq::ProcessSet.new.size, 0)
