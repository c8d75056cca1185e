# What the Sidekiq worker of the test knows. REDIS_URL names the server.
require 'redis'
Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)
require 'sidekiq'
require 'sidekiq/api'

Sidekiq.configure_client { |config| config.redis = { url: ENV.fetch('REDIS_URL') } }
Sidekiq.configure_server do |config|
  config.redis = { url: ENV.fetch('REDIS_URL') }
  # Looks for what is due every second, and from the start.
  config.options[:poll_interval_average] = 1
end

class Add
  include Sidekiq::Worker

  def perform(a, b)
    Sidekiq.redis { |redis| redis.rpush('sums', a + b) }
  end
end

class ThirdTime
  include Sidekiq::Worker
  sidekiq_options retry: 3

  def perform
    raise 'not yet' if Sidekiq.redis { |redis| redis.incr('tries') } < 3
  end
end

class Fails
  include Sidekiq::Worker
  sidekiq_options retry: 0

  def perform
    raise 'no such thing'
  end
end
