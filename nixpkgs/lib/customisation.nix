# Functions and derivations that can be changed after they were called.
{ lib }:
let
  inherit (builtins) attrNames elemAt filter functionArgs intersectAttrs isAttrs listToAttrs mapAttrs;
  inherit (lib) isFunction;

  crossIndices = map (upper: { inherit upper; lower = lib.toLower (builtins.substring 0 1 upper) + builtins.substring 1 (-1) upper; })
    [ "BuildBuild" "BuildHost" "BuildTarget" "HostHost" "HostTarget" "TargetTarget" ];

  # The nearest argument names to a missing one, for its error message.
  near = name: available:
    lib.take 3 (lib.sortOn (lib.levenshtein name)
      (filter (lib.levenshteinAtMost 2 name) available));
in
rec {
  overrideDerivation = drv: f:
    let
      changed = drv.drvAttrs // f drv;
      new = derivation changed;
    in
    lib.flip (extendDerivation (builtins.seq drv.drvPath true)) new (
      {
        meta = drv.meta or { };
        passthru = drv.passthru or { };
      } // (drv.passthru or { })
      // lib.optionalAttrs (drv ? __spliced) { __spliced = { } // mapAttrs (_: s: overrideDerivation s f) drv.__spliced; });

  # `f` with an `override` on its result, and overrides that survive `overrideAttrs`.
  makeOverridable = f:
    let
      mirrored = lib.mirrorFunctionArgs f;
    in
    mirrored (args:
      let
        result = f args;
        newArgs = new: args // (if isFunction new then new args else new);
        override = lib.setFunctionArgs (new: makeOverridable f (newArgs new)) (lib.functionArgs f);
        again = change: makeOverridable (mirrored (these: change (f these))) args;
      in
      if isAttrs result then
        result // {
          inherit override;
          overrideDerivation = change: again (drv: overrideDerivation drv change);
          ${if result ? overrideAttrs then "overrideAttrs" else null} =
            change: again (drv: drv.overrideAttrs change);
        }
      else if isFunction result then
        lib.setFunctionArgs result (lib.functionArgs result) // { inherit override; }
      else result);

  # Call a function, or the function in a file, with the arguments that it asks for.
  callPackageWith = autoArgs: fn: args:
    let
      f = if isFunction fn then fn else import fn;
      wanted = lib.functionArgs f;
      given = intersectAttrs wanted autoArgs // args;
      missing = filter (name: !(wanted.${name} || given ? ${name})) (attrNames wanted);
      complain = name:
        let
          position = builtins.unsafeGetAttrPos name wanted;
          suggestions = near name (attrNames autoArgs ++ attrNames args);
        in
        "Function called without required argument \"${name}\""
        + lib.optionalString (position != null) " at ${position.file}:${toString position.line}"
        + lib.optionalString (suggestions != [ ]) ", did you mean ${lib.concatMapStringsSep " or " (s: "\"${s}\"") suggestions}?";
    in
    if missing == [ ] then makeOverridable f given
    else throw "lib.customisation.callPackageWith: ${complain (builtins.head missing)}";

  callPackagesWith = autoArgs: fn: args:
    let
      f = if isFunction fn then fn else import fn;
      given = intersectAttrs (lib.functionArgs f) autoArgs // args;
      packages = f given;
      one = name: _: makeOverridable (lib.mirrorFunctionArgs f (these: (f these).${name})) given;
    in
    if lib.isDerivation packages
    then throw "callPackagesWith: the function gives one derivation; it is meant for sets of them (use callPackageWith)"
    else mapAttrs one packages;

  extendDerivation = condition: passthru: drv:
    let
      outputs = drv.outputs or [ "out" ];
      common = drv // listToAttrs byOutput // { all = map (o: o.value) byOutput; } // passthru;
      byOutput = map
        (name: {
          inherit name;
          value = common // {
            inherit (drv.${name}) type outputName;
            outputSpecified = true;
            drvPath = assert condition; drv.${name}.drvPath;
            outPath = assert condition; drv.${name}.outPath;
          } // lib.optionalAttrs (drv.${name} ? outputName && drv ? tests) { inherit (drv) tests; };
        })
        outputs;
    in
    common // {
      drvPath = assert condition; drv.drvPath;
      outPath = assert condition; drv.outPath;
    };

  hydraJob = drv:
    let
      outputs = drv.outputs or [ "out" ];
      common = { inherit (drv) name system meta; inherit outputs; }
        // lib.optionalAttrs (drv._hydraAggregate or false) {
        _hydraAggregate = true;
        constituents = map hydraJob (lib.flatten drv.constituents);
      }
        // listToAttrs byOutput;
      byOutput = map
        (name: {
          inherit name;
          value = common // { inherit (drv.${name}) drvPath outPath type outputName; };
        })
        outputs;
    in
    if drv == null then null else lib.deepSeq (builtins.head byOutput).value.drvPath (common // { inherit (drv) drvPath; type = "derivation"; });

  # A set of packages that call each other, extensible as a whole.
  makeScope = newScope: f:
    let
      self = {
        newScope = scope: newScope (self // scope);
        # A scope may have its own.
        callPackage = self.newScope { };
      } // f self // {
        overrideScope = overlay: makeScope newScope (lib.extends overlay f);
        packages = f;
      };
    in
    self;

  # Splicing is for cross compilation, which does not exist here: every set is the host's own.
  makeScopeWithSplicing = splicePackages: newScope: otherSplices: keep: extra: f:
    makeScopeWithSplicing' { inherit splicePackages newScope; } { inherit otherSplices keep f; extra = _: extra; };
  makeScopeWithSplicing' = { splicePackages, newScope }: { otherSplices, keep ? (_: { }), extra ? (_: { }), f }:
    let
      spliced = extra (spliced0 // keep self) // spliced0 // keep self;
      spliced0 = self;
      self = f self // {
        newScope = scope: newScope (spliced // scope);
        callPackage = newScope spliced;
        overrideScope = overlay: makeScopeWithSplicing' { inherit splicePackages newScope; } {
          inherit otherSplices keep extra;
          f = lib.extends overlay f;
        };
        packages = f;
      };
    in
    self;

  # A `mkDerivation` whose arguments another one changes; keeps finalAttrs forms working.
  extendMkDerivation =
    { constructDrv, excludeDrvArgNames ? [ ], excludeFunctionArgNames ? [ ], extendDrvArgs, transformDrv ? lib.id, inheritFunctionArgs ? true }:
    lib.setFunctionArgs
      (fpargs: transformDrv (constructDrv (lib.extends
        (lib.toExtension (final: prev: removeAttrs (prev // extendDrvArgs final prev) excludeDrvArgNames))
        (lib.toFunction fpargs))))
      (removeAttrs
        (lib.functionArgs (extendDrvArgs { })
          // lib.optionalAttrs inheritFunctionArgs (removeAttrs (lib.functionArgs constructDrv) [ ]))
        excludeFunctionArgNames);

  # `{ <prefix>BuildHost = …; }` from and to `{ buildHost = …; }`, for the six pairs of platforms.
  renameCrossIndexFrom = prefix: x: listToAttrs (map
    (index: { name = index.lower; value = x."${prefix}${index.upper}"; })
    crossIndices);
  renameCrossIndexTo = prefix: x: listToAttrs (map
    (index: { name = "${prefix}${index.upper}"; value = x.${index.lower}; })
    crossIndices);
  mapCrossIndex = f: x: listToAttrs (map (index: { name = index.lower; value = f x.${index.lower}; }) crossIndices);
}
