# A draft for Homebrew: `brew install --build-from-source ./redstart.rb`. `make dist` fills in where the
# sources lie (DOWNLOADS=URL) and their digest.
class Redstart < Formula
  desc "Redis-compatible in-memory data server"
  homepage "@URL@"
  url "@URL@"
  sha256 "@SHA256@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"redstart", "completions")
    system bin/"redstart", "man", buildpath/"man"
    man1.install Dir["man/*.1"]
    etc.install "packaging/deb/redstart.conf"
    inreplace etc/"redstart.conf", "/var/lib/redstart", var/"db/redstart"
    (var/"db/redstart").mkpath
  end

  service do
    run [opt_bin/"redstart", etc/"redstart.conf"]
    keep_alive successful_exit: false
    working_dir var/"db/redstart"
    log_path var/"log/redstart.log"
    error_log_path var/"log/redstart.log"
  end

  test do
    port = free_port
    server = spawn bin/"redstart", "--port", port.to_s, "--save", "", "--bind", "127.0.0.1"
    sleep 2
    assert_match "PONG", shell_output("#{bin}/redstart ping --port #{port}")
  ensure
    Process.kill "TERM", server
    Process.wait server
  end
end
