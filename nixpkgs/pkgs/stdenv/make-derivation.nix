# `stdenv.mkDerivation`.
{ lib, final, stdenv }:
let
  builder = builtins.toFile "default-builder.sh" ''
    if [ -e "$NIX_ATTRS_SH_FILE" ]; then source "$NIX_ATTRS_SH_FILE"; elif [ -e .attrs.sh ]; then source .attrs.sh; fi
    source "$stdenv/setup"
    genericBuild
  '';

  # Inputs may be null, nested lists, packages or paths.
  dev = input: if builtins.isAttrs input then lib.getDev input else input;
  inputs = list: map dev (builtins.filter (x: x != null) (lib.flatten list));

  dependencyKinds = [
    "depsBuildBuild"
    "depsBuildTarget"
    "depsHostHost"
    "depsTargetTarget"
    "depsBuildBuildPropagated"
    "depsBuildTargetPropagated"
    "depsHostHostPropagated"
    "depsTargetTargetPropagated"
    "propagatedBuildInputs"
    "propagatedNativeBuildInputs"
  ];

  notForTheBuilder = [
    "meta"
    "passthru"
    "pos"
    "env"
    "checkInputs"
    "nativeCheckInputs"
    "installCheckInputs"
    "nativeInstallCheckInputs"
    "hardeningDisable"
    "hardeningEnable"
    "enableParallelBuilding"
    "disallowedReferences"
    "disallowedRequisites"
    "__darwinAllowLocalNetworking"
  ];

  make =
    recipe: attrs:
    let
      name =
        attrs.name or (
          if attrs ? pname then
            "${attrs.pname}-${attrs.version or (throw "mkDerivation: '${attrs.pname}' has a pname but no version")}"
          else
            throw "mkDerivation: neither 'name' nor 'pname' is set"
        );
      doCheck = attrs.doCheck or false;
      doInstallCheck = attrs.doInstallCheck or false;
      structured = attrs.__structuredAttrs or false;
      env = attrs.env or { };
      outputs = attrs.outputs or [ "out" ];
      clash = builtins.filter (key: attrs ? ${key}) (builtins.attrNames env);

      arguments =
        removeAttrs attrs notForTheBuilder
        // (if structured then { inherit env; } else env)
        // {
          inherit name outputs structured;
          system = attrs.system or stdenv.hostPlatform.system;
          builder = attrs.realBuilder or "${final.bash}/bin/bash";
          args = attrs.args or [
            "-e"
            (attrs.builder or builder)
          ];
          stdenv = "${stdenv}";
          nativeBuildInputs = inputs (
            [ (attrs.nativeBuildInputs or [ ]) ]
            ++ lib.optionals doCheck [ (attrs.nativeCheckInputs or [ ]) ]
            ++ lib.optionals doInstallCheck [
              (attrs.nativeInstallCheckInputs or [ ])
            ]
          );
          buildInputs = inputs (
            [ (attrs.buildInputs or [ ]) ]
            ++ lib.optionals doCheck [ (attrs.checkInputs or [ ]) ]
            ++ lib.optionals doInstallCheck [ (attrs.installCheckInputs or [ ]) ]
          );
          strictDeps = attrs.strictDeps or false;
          inherit doCheck doInstallCheck;
          enableParallelBuilding = attrs.enableParallelBuilding or false;
        }
        // builtins.listToAttrs (
          map (kind: {
            name = kind;
            value = inputs [ (attrs.${kind} or [ ]) ];
          }) (builtins.filter (kind: attrs ? ${kind}) dependencyKinds)
        )
        // (if attrs ? disallowedReferences then { inherit (attrs) disallowedReferences; } else { })
        // (if attrs ? disallowedRequisites then { inherit (attrs) disallowedRequisites; } else { });

      drv = builtins.derivation (removeAttrs arguments [ "structured" "realBuilder" ]);

      meta = {
        inherit name;
        outputsToInstall = [ (if builtins.elem "bin" outputs then "bin" else builtins.head outputs) ];
        available = true;
        broken = false;
        unfree = false;
        unsupported = false;
        insecure = false;
      }
      // attrs.meta or { };

      outputSet = base: outputName: base // {
        inherit (drv.${outputName}) outPath drvPath;
        inherit outputName;
        outputSpecified = true;
      };

      self =
        drv
        // {
          inherit name meta;
          passthru = attrs.passthru or { };
          inputDerivation = throw "'${name}'.inputDerivation is not supported";
          overrideAttrs = change: recipe.override change;
          overrideDerivation = change: lib.overrideDerivation self change;
        }
        // (if attrs ? pname then { inherit (attrs) pname; } else { })
        // (if attrs ? version then { inherit (attrs) version; } else { })
        // builtins.listToAttrs (
          map (outputName: {
            name = outputName;
            value = outputSet self outputName;
          }) outputs
        )
        // {
          all = map (outputName: outputSet self outputName) outputs;
        }
        // attrs.passthru or { };
    in
    if clash != [ ] then
      throw "mkDerivation '${name}': '${builtins.head clash}' is set both in 'env' and as an attribute"
    else
      self;

  # `finalAttrs: { … }` sees the attributes after every overrideAttrs.
  fromFunction =
    function:
    let
      attrs = function (attrs // { finalPackage = package; });
      package = make {
        override =
          change:
          fromFunction (
            self:
            let
              before = function self;
              # A change is an attribute set, `previous: { }` or `final: previous: { }`.
              once = if builtins.isFunction change then change before else change;
              changes = if builtins.isFunction once then change self before else once;
            in
            before // changes
          );
      } attrs;
    in
    package;
in
given: fromFunction (if builtins.isFunction given then given else _: given)
