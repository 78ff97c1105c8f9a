# Builds cck from source: nix build '.?dir=packaging' in the repository. Needs nixpkgs with Rust 1.90 or newer. Parsed in the
# gate, never evaluated: that takes nixpkgs.
{
  inputs.nixpkgs.url = "nixpkgs/nixos-unstable";
  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      manifest = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package;
    in {
      packages = nixpkgs.lib.genAttrs systems (system:
        let pkgs = nixpkgs.legacyPackages.${system};
        in {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = manifest.name;
            version = manifest.version;
            src = ../.;
            cargoLock.lockFile = ../Cargo.lock;
            CCK_VERSION = "${manifest.version} (${system}, ${self.shortRev or "from source"})";
            # The tests need programs and rights that the build does not have.
            doCheck = false;
            nativeBuildInputs = [ pkgs.installShellFiles ];
            postInstall = ''
              $out/bin/cck man > cck.1
              installManPage cck.1
              for shell in bash zsh fish; do $out/bin/cck completions $shell > cck.$shell; done
              installShellCompletion cck.{bash,zsh,fish}
            '';
            meta = {
              description = manifest.description;
              homepage = manifest.homepage;
              license = pkgs.lib.licenses.mit;
              mainProgram = "cck";
            };
          };
        });
    };
}
