# What the value of a user's file is: tests, sets of tests, functions to those, derivations.
#
# `arguments` are for functions on the way (`--arg`); `attrPath` is what was asked for, for messages.
{ attrPath ? [ ], arguments ? { } }:
let
  lib = import ../lib;
  testing = import ../nixos/lib/testing { inherit lib; };
  pkgs = import ../. { system = "x86_64-linux"; config = { }; overlays = [ ]; };
  testers = testing.testersFor pkgs;
  legacy = import ../nixos/lib/testing-python.nix { inherit pkgs; system = "x86_64-linux"; };

  inherit (builtins) attrNames elem intersectAttrs isAttrs isFunction mapAttrs tryEval;
  inherit (lib) concatMap head tail;

  # -- what a value is --------------------------------------------------------------------------

  isTest = v: isAttrs v && v ? snowglobe && v.snowglobe ? test;
  isEvaluation = v: isAttrs v && v._type or null == "configuration" && v.config ? result;
  # A set that the module system would take as a test.
  isModule = v: isAttrs v && !(lib.isDerivation v) && (
    v ? testScript || v ? nodes
    || v ? imports && builtins.isList v.imports
    || v ? config && isAttrs v.config && (v.config ? testScript || v.config ? nodes)
  );

  # What functions of tests ask for.
  offered = {
    inherit pkgs lib;
    inherit (legacy) makeTest simpleTest;
    runTest = testers.runNixOSTest;
    system = "x86_64-linux";
    config = { };
    hostPkgs = pkgs;
    nixpkgs = ../.;
  } // arguments;
  # What nixpkgs' list of tests gives to tests that exist in several forms: a set of tests then.
  variants = {
    backend = { iptables = "iptables"; nftables = "nftables"; firewalld = "firewalld"; };
    networkd = { networkd = true; scripted = false; };
    enableNetworkd = variants.networkd;
  };
  variantsOf = f:
    let
      wanted = lib.functionArgs f;
      asked = lib.filter (name: wanted ? ${name} && !wanted.${name} && !(arguments ? ${name})) (attrNames variants);
    in
    if asked == [ ] then null
    else
      let name = head asked; in
      mapAttrs
        (_: choice: lib.setFunctionArgs (args: f (args // { ${name} = choice; })) (removeAttrs wanted [ name ]))
        variants.${name};

  # Only what has no default or was given, as nix-build does.
  call = f:
    let
      wanted = lib.functionArgs f;
      required = lib.filterAttrs (_: optional: !optional) wanted;
      missing = mapAttrs
        (name: _: throw "The file's function wants the argument `${name}', and there is none of that name; there are ${lib.concatStringsSep ", " (attrNames offered)}.")
        (removeAttrs required (attrNames offered));
    in
    f (if wanted == { } then offered else intersectAttrs required offered // missing // intersectAttrs wanted arguments);

  # A value as a test, as a set of more values, or as neither. `depth` bounds functions in functions.
  classify = depth: v:
    if isTest v then { test = v; }
    else if isEvaluation v then { test = v.config.result; }
    else if isModule v then { test = testers.runNixOSTest v; }
    else if lib.isDerivation v then { nothing = "a derivation that is not a test"; }
    else if lib.isFunction v && variantsOf v != null then { set = variantsOf v; }
    else if lib.isFunction v && depth < 4 then
      (let
        result = call v;
        wanted = lib.functionArgs v;
      in
      # The module system must see the function itself, for `config`, `nodes` and the like.
      if !(isTest result) && isModule result then
        (let
          required = lib.filterAttrs (_: optional: !optional) wanted;
          # What it takes besides a module's arguments, it takes from us.
          own = removeAttrs (intersectAttrs required offered) [ "config" "lib" "pkgs" "hostPkgs" ]
            // intersectAttrs wanted arguments;
          # An argument with a default is one of a function, which modules' are not: it may take no others.
          narrow = required != wanted;
          module =
            if own == { } && !narrow then v
            else lib.setFunctionArgs
              (args: v ((if narrow then intersectAttrs required args else args) // own))
              (removeAttrs (if narrow then required else wanted) (attrNames own));
        in
        { test = testers.runNixOSTest module; })
      else classify (depth + 1) result)
    else if isAttrs v then { set = v; }
    else if builtins.isPath v then classify (depth + 1) (import v)
    else if builtins.isString v && lib.hasPrefix "/" v then classify (depth + 1) (import v)
    else { nothing = if v == null then "null" else "a value of type ${builtins.typeOf v}"; };

  # -- finding tests ----------------------------------------------------------------------------

  select = path: v:
    let
      kind = classify 0 v;
      name = head path;
      set = kind.set or kind.test or (
        # Outputs and attributes of packages can be chosen too.
        if lib.isDerivation v then v
        else throw "There is no attribute `${name}' to be chosen: there is ${kind.nothing}.");
      near = lib.take 3 (lib.sortOn (lib.levenshtein name) (lib.filter (lib.levenshteinAtMost 3 name) (attrNames set)));
    in
    if path == [ ] then v
    else if set ? ${name} then select (tail path) set.${name}
    else throw "The file's value has no attribute `${lib.showAttrPath attrPath}': `${name}' is missing.${
      lib.optionalString (near != [ ]) " Did you mean ${lib.concatMapStringsSep " or " (n: "`${n}'") near}?"}";

  # Tests of a set, in the order of their names; what is no test is passed over. A member that cannot be
  # evaluated counts as a test: whoever wants it gets its error, and the others stay usable.
  collect = depth: path: v:
    let
      kind = classify 0 v;
      member = name:
        let
          inner = kind.set.${name};
          here = path ++ [ name ];
          found =
            if lib.isFunction inner && lib.functionArgs inner == { } then [ ]
            else if isAttrs inner || isFunction inner || builtins.isPath inner then collect (depth + 1) here inner
            else [ ];
          tried = tryEval found;
        in
        if elem name [ "recurseForDerivations" "override" "overrideDerivation" "extend" "__functor" "_type" "pkgs" "lib" ] then [ ]
        else if tried.success then tried.value
        else [{ path = here; inherit (head found) test; }];
    in
    if kind ? test then [{ inherit path; inherit (kind) test; }]
    else if kind ? set && depth < 5 then concatMap member (attrNames kind.set)
    else [ ];
in
{
  inherit call classify select collect lib;
}
