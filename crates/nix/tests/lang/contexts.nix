let
  drv = derivation { name = "thing"; system = "x86_64-linux"; builder = "/bin/sh"; outputs = [ "out" "dev" ]; };
  file = builtins.toFile "note" "text";
in
[
  drv.outPath drv.dev.outPath drv.drvPath file
  (builtins.getContext "${drv} ${drv.dev} ${file}")
  (builtins.getContext drv.drvPath)
  (builtins.hasContext (builtins.unsafeDiscardStringContext "${drv}"))
  (builtins.getContext (builtins.unsafeDiscardOutputDependency drv.drvPath))
  (builtins.getContext (builtins.appendContext "a" { ${builtins.unsafeDiscardStringContext drv.drvPath} = { outputs = [ "dev" ]; }; }))
  (builtins.placeholder "out")
  (builtins.toFile "refers" "${file}")
]
