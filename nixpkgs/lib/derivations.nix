# Derivations that are not made before something of them is needed.
{ lib }:
{
  inherit (builtins) addDrvOutputDependencies unsafeDiscardOutputDependency;

  # A derivation whose attributes are known beforehand.
  lazyDerivation =
    { derivation ? null
    , meta ? null
    , passthru ? { }
    , outputs ? [ "out" ]
    }@args:
    let
      checked =
        if derivation.type or null != "derivation" then throw "lazyDerivation: input must be a derivation."
        else if derivation.outputs == outputs then derivation
        else throw ''
          lib.lazyDerivation: The derivation ${derivation.name or "<unknown>"} has outputs that don't match the assumed outputs.

          Assumed outputs passed to lazyDerivation: ${lib.generators.toPretty { multiline = false; } outputs};

          Actual outputs of the derivation: ${lib.generators.toPretty { multiline = false; } derivation.outputs};
        '';
    in
    {
      type = "derivation";
      inherit (checked) outPath outputName drvPath name system;
      inherit outputs;
    }
    // lib.genAttrs outputs (output: checked.${output})
    // lib.optionalAttrs (args ? meta) { inherit meta; }
    // lib.optionalAttrs (!(args ? meta)) { meta = derivation.meta or { }; }
    // passthru;

  optionalDrvAttr = condition: value: if condition then value else null;

  warnOnInstantiate = message: drv:
    let
      attrs = [ "type" "outPath" "outputName" "drvPath" "name" "system" "outputs" ] ++ (drv.outputs or [ ]);
    in
    drv // builtins.mapAttrs (_: lib.warn message) (removeAttrs (builtins.intersectAttrs (lib.genAttrs attrs (_: null)) drv) [ "type" "name" "system" ]);
}
