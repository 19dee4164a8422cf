# A test without one of the options that it sets.
#
#     snowglobe eval nixpkgs/snowglobe/mutate.nix --argstr file TEST -A options --raw
#     snowglobe run  nixpkgs/snowglobe/mutate.nix --argstr file TEST --argstr drop services.nginx.enable -A test
#
# `options`: the names, as docs/options.md has them, of what the configurations of the test's machines
# set, a line each. `test`: the test with every definition of the option `drop` taken out of them. Only
# what stands in the test's own modules counts: not in files that these import.
{ file, drop ? null, attr ? null }:
let
  lib = import ../lib;
  inherit (builtins) attrNames concatMap elem filter head isAttrs isFunction isList listToAttrs map mapAttrs tail;

  found = (import ./plan.nix {
    value = import (/. + file);
    attrPath = if attr == null then [ ] else lib.splitString "." attr;
    of = test: { inherit test; };
  }).tests;
  original =
    if builtins.length found == 1 then (head found).test
    else throw "${file} has ${toString (builtins.length found)} tests: choose one by attr";

  # What the test says of its machines, before any of it was merged: `{ file; value; }`.
  definitions = (original.extend {
    modules = [ ({ options, ... }: { passthru.nodesDefinitions = options.nodes.definitionsWithLocations; }) ];
  }).nodesDefinitions;
  machines = original.nodes;

  # -- which options ------------------------------------------------------------------------------

  # What modules of a machine are given.
  argumentsOf = name:
    let
      machine = (original.extend {
        modules = [ {
          nodes.${name} = { options, config, ... }: {
            _file = "the test framework";
            options.snowglobe.declared = lib.mkOption { type = lib.types.raw; description = "All options."; };
            config.snowglobe.declared = config._module.args // { inherit options config lib name; modulesPath = toString ../nixos/modules; };
          };
        } ];
      }).nodes.${name};
    in
    machine.snowglobe.declared;

  # Names below an option that a value sets, by what the type says of the value's parts.
  below = type: loc: value:
    let
      kind = type.name or "";
      element = type.nestedTypes.elemType or null;
      parts = content value;
    in
    if elem kind [ "attrsOf" "lazyAttrsOf" ] && element != null && hasOptions element then
      concatMap (part: if isAttrs part then concatMap (n: below element (loc ++ [ "<name>" ]) part.${n}) (attrNames part) else [ loc ]) parts
    else if kind == "listOf" && element != null && hasOptions element then
      concatMap (part: if isList part then concatMap (below element (loc ++ [ "*" ])) part else [ loc ]) parts
    else if kind == "nullOr" && element != null && hasOptions element then concatMap (below element loc) parts
    else if kind == "submodule" then
      concatMap (part: if isAttrs part && !(part ? imports) then walk (removeAttrs (type.getSubOptions loc) [ "_module" "_freeformOptions" ]) loc part else [ loc ]) parts
    else [ loc ];
  hasOptions = type: elem (type.name or "") [ "submodule" "attrsOf" "lazyAttrsOf" "listOf" "nullOr" ] && (type.getSubOptions [ ]) != { };

  # A value's definitions without the properties around them.
  content = value:
    let kind = value._type or null; in
    if !isAttrs value || lib.isDerivation value then [ value ]
    else if elem kind [ "if" "override" "order" ] then content value.content
    else if kind == "merge" then concatMap content value.contents
    else [ value ];

  walk = options: loc: value:
    concatMap
      (name:
        let option = options.${name} or null; in
        # What no option takes, the freeform type takes: it belongs to what stands around it.
        if option == null then [ loc ]
        else if lib.isOption option then below option.type (loc ++ [ name ]) value.${name}
        else concatMap (part: if isAttrs part then walk option (loc ++ [ name ]) part else [ (loc ++ [ name ]) ]) (content value.${name}))
      (attrNames value);

  # The configurations of a module and of those that stand in its imports.
  configurations = arguments: module:
    if isFunction module then
      configurations arguments (module (let wanted = lib.functionArgs module; in if wanted == { } then arguments else builtins.intersectAttrs wanted arguments))
    else if isList module then concatMap (configurations arguments) module
    else if !isAttrs module || lib.isDerivation module then [ ]
    else if module ? __functor then configurations arguments (module.__functor module)
    else if module ? _type then content module
    else
      concatMap (configurations arguments) (module.imports or [ ])
      ++ (if module ? config || module ? options then content (module.config or { })
      else [ (removeAttrs module [ "_class" "_file" "key" "disabledModules" "imports" "freeformType" ]) ]);

  names = lib.unique (map lib.showOption (concatMap
    (name:
      let arguments = argumentsOf name; in
      concatMap
        (def: concatMap (walk arguments.options [ ]) (configurations arguments (def.value.${name} or { })))
        definitions)
    (attrNames machines)));

  # -- taking one out -----------------------------------------------------------------------------

  # `<name>` and `*` stand for everything there.
  without = path: value:
    let
      kind = value._type or null;
      name = head path;
      rest = tail path;
    in
    if isList value then (if name == "*" && rest != [ ] then map (without rest) value else value)
    else if !isAttrs value || lib.isDerivation value then value
    else if elem kind [ "if" "override" "order" ] then value // { content = without path value.content; }
    else if kind == "merge" then value // { contents = map (without path) value.contents; }
    else if name == "<name>" then (if rest == [ ] then { } else mapAttrs (_: without rest) value)
    else if !(value ? ${name}) then value
    else if rest == [ ] then removeAttrs value [ name ]
    else value // { ${name} = without rest value.${name}; };

  withoutInModule = path: module:
    if isFunction module then lib.setFunctionArgs (args: withoutInModule path (module args)) (lib.functionArgs module)
    else if isList module then map (withoutInModule path) module
    else if !isAttrs module || lib.isDerivation module then module
    else if elem (module._type or null) [ "if" "merge" "override" ] then without path module
    else if module ? __functor then module // { __functor = self: args: withoutInModule path (module.__functor self args); }
    else
      let
        inner = if module ? config || module ? options then module // { config = without path (module.config or { }); } else without path module;
      in
      inner // lib.optionalAttrs (module ? imports) { imports = map (withoutInModule path) module.imports; };

  # `a."b.c".<name>` in its parts.
  path = map (part: lib.removePrefix "\"" (lib.removeSuffix "\"" (head part))) (filter isList (builtins.split "(\"[^\"]*\"|[^.]+)" drop));
  mutated = original.extend {
    modules = [ {
      nodes = lib.mkForce (mapAttrs
        (name: _: {
          imports = concatMap (def: lib.optional (isAttrs def.value && def.value ? ${name}) (lib.setDefaultModuleLocation def.file (withoutInModule path def.value.${name}))) definitions;
        })
        machines);
    } ];
  };
in
{
  options = lib.concatMapStrings (name: "${name}\n") names;
  test = if drop == null then original else mutated;
}
