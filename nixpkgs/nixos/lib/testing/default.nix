# NixOS tests as modules: `runTest` gives the test, `evalTest` its evaluation.
{ lib ? import ../../../lib }:
let
  framework = lib.modules.preloadWith ":testing" [
    ./call-test.nix
    ./driver.nix
    ./interactive.nix
    ./legacy.nix
    ./meta.nix
    ./name.nix
    ./network.nix
    ./nodes.nix
    ./pkgs.nix
    ./plan.nix
    ./run.nix
    ./test-script.nix
    ./unsupported.nix
  ];

  evalTest = evalTestWith { };
  evalTestWith = specialArgs: module:
    let
      evaluation = lib.modules.evalPreloaded {
        preloaded = lib.modules.joinPreloaded framework (lib.modules.preload [
          {
            key = ":eval-test";
            config._module.args.pkgs = lib.mkDefault evaluation.config.hostPkgs;
          }
          module
        ]);
        class = "nixosTest";
        inherit specialArgs;
      };
    in
    evaluation;
  runTest = module: (evalTest module).config.result;
in
{
  inherit evalTest runTest;

  # `pkgs.testers`, for the package set to take.
  testersFor = pkgs: import ./testers.nix {
    inherit lib pkgs;
    runTest = module: (evalTestWith { lib = pkgs.lib or lib; } module).config.result;
  };
}
