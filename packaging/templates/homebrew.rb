class Cck < Formula
  desc "@description@"
  homepage "@homepage@"
  version "@version@"
  license "MIT"

  base = "@repository@/releases/download/v@version@/cck-@version@"
  on_macos do
    on_arm do
      url "#{base}-aarch64-apple-darwin.tar.gz"
      sha256 "@sha256:aarch64-apple-darwin@"
    end
    on_intel do
      url "#{base}-x86_64-apple-darwin.tar.gz"
      sha256 "@sha256:x86_64-apple-darwin@"
    end
  end
  on_linux do
    on_arm do
      url "#{base}-aarch64-unknown-linux-musl.tar.gz"
      sha256 "@sha256:aarch64-unknown-linux-musl@"
    end
    on_intel do
      url "#{base}-x86_64-unknown-linux-musl.tar.gz"
      sha256 "@sha256:x86_64-unknown-linux-musl@"
    end
  end

  def install
    bin.install "cck"
    man1.install "share/cck.1"
    bash_completion.install "share/cck.bash" => "cck"
    zsh_completion.install "share/cck.zsh" => "_cck"
    fish_completion.install "share/cck.fish"
  end

  test do
    (testpath/"key").write "sk-ant-api03-#{"x" * 95}"
    ENV["CLAUDE_CONFIG_DIR"] = testpath
    system bin/"cck", "set-key", "--key-file", testpath/"key"
    assert_match "primaryApiKey", (testpath/".claude.json").read
  end
end
