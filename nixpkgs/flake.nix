{
  description = "Snowglobe's package set, library and NixOS modules, where nixpkgs keeps its own";

  outputs = { self }:
    let
      system = "x86_64-linux";
      lib = import ./lib;
    in
    {
      lib = lib.extend (final: prev: {
        nixos = import ./nixos/lib { };
        nixosSystem = args: import ./nixos/lib/eval-config.nix ({ system = null; } // builtins.removeAttrs args [ "specialArgs" ] // {
          specialArgs = args.specialArgs or { };
        });
      });
      legacyPackages.${system} = import ./. { inherit system; };
      nixosModules.readOnlyPkgs = ./nixos/modules/misc/nixpkgs/read-only.nix;
    };
}
