# The package set: `import nixpkgs { system?, config?, overlays? }`.
args: import ./pkgs/top-level args
