# The module system: from modules to options and their values.
#
# Made for many modules of which few do something: what does not depend on an evaluation (importing
# files, which arguments functions want) is done once by `preload`; option trees are joined by
# `zipAttrsWith`; nothing is done for an option until its value is asked for; and the check for
# definitions without an option follows definitions, not declarations.
{ lib }:
let
  inherit (builtins)
    attrNames concatMap elem filter functionArgs genericClosure head isAttrs isFunction isList
    isString length map mapAttrs tail zipAttrsWith;
  inherit (lib) mkOption optionalAttrs reverseList setAttrByPath showOption types;
  inherit (lib.options) showDefsOf unknownModule;
  inherit (lib.properties) dischargeDefinition resolveDefinitions splitDefinition;

  # -- loading: what a module is before it meets an evaluation -----------------------------------

  # `{ key; file; }` with `fn` and `wanted` when it is a function, with `attrs` when it is a set.
  load = file: key: raw:
    if isFunction raw then { inherit key file; fn = raw; wanted = functionArgs raw; }
    else if isAttrs raw then
      (if raw ? __functor then { inherit key file; fn = raw; wanted = lib.functionArgs raw; }
      else if !(raw ? _type) || raw._type == "module" then { inherit key file; attrs = raw; }
      else if raw._type == "if" || raw._type == "override" || raw._type == "merge" then { inherit key file; attrs = { config = raw; }; }
      else throw "Expected a module, but found a value of type ${lib.strings.escapeNixString raw._type}, while trying to load a module into ${file}.${
        lib.optionalString (raw._type == "configuration") " If you do intend to import this configuration, please only import the modules that make up the configuration."
        + lib.optionalString (raw._type == "flake") " Did you mean to import one of the flake's `nixosModules'?"}")
    else if isList raw then { inherit key file; attrs = { imports = raw; }; }
    else if isString raw || builtins.isPath raw then
      let path = toString raw; in load path path (import raw)
    else throw "A module must be a function, an attribute set, a path or a list of modules, but in ${file} there is ${
      if raw == null then "null" else "a value of type ${builtins.typeOf raw}"}.";

  loadAll = prefix: raws: lib.imap1 (n: raw: load unknownModule "${prefix}:anon-${toString n}" raw) raws;

  # Modules that many evaluations share, and the arguments that any of them wants.
  preload = preloadWith "";
  preloadWith = prefix: raws:
    let loaded = loadAll prefix raws; in
    {
      inherit loaded;
      wanted = zipAttrsWith (_: head) (concatMap (m: if m ? wanted then [ m.wanted ] else [ ]) loaded);
    };

  joinPreloaded = a: b: { loaded = a.loaded ++ b.loaded; wanted = a.wanted // b.wanted; };

  # -- unifying: the two ways to write a module --------------------------------------------------

  unify = file: key: m:
    if m ? config || m ? options then
      let
        config = m.config or { };
        withFreeform = if m ? freeformType
          then lib.mkMerge [ config { _module.freeformType = m.freeformType; } ]
          else config;
        unsupported = removeAttrs m [ "_class" "_file" "key" "disabledModules" "imports" "options" "config" "meta" "freeformType" "_type" ];
      in
      if unsupported != { } then
        throw "Module `${toString (m.key or key)}' has an unsupported attribute `${head (attrNames unsupported)}'. This is caused by introducing a top-level `config' or `options' attribute. Add configuration attributes immediately on the top level instead, or move all of them (namely: ${toString (attrNames unsupported)}) into the explicit `config' attribute.${place unsupported}"
      else {
        key = toString (m.key or key);
        file = fileOf file m;
        class = m._class or null;
        disabled = m.disabledModules or [ ];
        imports = m.imports or [ ];
        options = m.options or { };
        config = if m ? meta then lib.mkMerge [ withFreeform { inherit (m) meta; } ] else withFreeform;
      }
    else if !isAttrs m then
      throw "Module ${file} (${key}) does not look like a module. It is a value of type `${builtins.typeOf m}' where an attribute set is expected."
    else
      let
        config = removeAttrs m [ "_class" "_file" "key" "disabledModules" "require" "imports" "freeformType" ];
      in
      {
        key = toString (m.key or key);
        file = fileOf file m;
        class = m._class or null;
        disabled = m.disabledModules or [ ];
        imports = m.require or [ ] ++ m.imports or [ ];
        options = { };
        config = if m ? freeformType then lib.mkMerge [ config { _module.freeformType = m.freeformType; } ] else config;
      };

  # A module that stands in an expression is in the file of its first attribute.
  fileOf = file: m:
    if m ? _file then toString m._file
    else if file != unknownModule || m == { } then toString file
    else (builtins.unsafeGetAttrPos (head (attrNames m)) m).file or file;

  place = attrs:
    let position = builtins.unsafeGetAttrPos (head (attrNames attrs)) attrs; in
    if position == null then "" else " (${position.file}:${toString position.line})";

  # -- evaluating --------------------------------------------------------------------------------

  evalModules = evalModulesArgs@{ modules, prefix ? [ ], specialArgs ? { }, class ? null, args ? { }, check ? true }:
    evalPreloaded {
      preloaded = preload modules;
      inherit prefix specialArgs class check;
      moduleArgs = args;
    };

  # `preloaded`: the modules. `definitions`: further `{ file; value; }`, as if they were modules with
  # a configuration only. `implicit`: module arguments unless `_module.args` says otherwise.
  evalPreloaded =
    { preloaded, definitions ? [ ], prefix ? [ ], specialArgs ? { }, class ? null, implicit ? { }, moduleArgs ? { }, check ? true }:
    let
      base = {
        inherit lib options specialArgs;
        config = values;
        _class = class;
        _prefix = prefix;
        inherit (result) extendModules;
        moduleType = result.type;
      } // specialArgs;

      lookup = file: name: _: builtins.addErrorContext "while evaluating the module argument `${name}' in ${file} (`imports' cannot depend on it: only `specialArgs' are known there):"
        (_module.args.${name} or (throw (missingArgument name)));
      missingArgument = name:
        let
          known = attrNames (base // _module.args);
          near = lib.take 3 (lib.sortOn (lib.levenshtein name) (filter (lib.strings.levenshteinAtMost 3 name) known));
        in
        "The module argument `${name}' is not defined${lib.optionalString (prefix != [ ]) " in `${showOption prefix}'"}: neither `specialArgs' nor `_module.args' has it.${
          if near == [ ] then " There are: ${lib.concatStringsSep ", " known}."
          else " Did you mean ${alternatives (map (n: "`${n}'") near)}?"}";
      # Several modules may want it: one of them is named.
      wantedBy = name: toString (head (filter (m: m.wanted.${name} or null != null) preloaded.loaded ++ [ { file = unknownModule; } ])).file;
      common = base // mapAttrs (name: lookup (wantedBy name) name) (builtins.intersectAttrs (removeAttrs preloaded.wanted (attrNames base)) preloaded.wanted);

      instantiate = m:
        if m ? fn then unify m.file m.key (m.fn common)
        else unify m.file m.key m.attrs;

      # A module that was imported by another: its arguments are not known beforehand.
      instantiateImported = m:
        if m ? fn then
          let others = removeAttrs m.wanted (attrNames common); in
          unify m.file m.key (m.fn (if others == { } then common else common // mapAttrs (lookup (toString m.file)) others))
        else unify m.file m.key m.attrs;

      children = m:
        if m.imports == [ ] then [ ]
        else lib.imap1 (n: raw: instantiateImported (load m.file "${m.key}:anon-${toString n}" raw)) m.imports;

      initial = map instantiate preloaded.loaded;
      closure =
        if initial == [ ] || (tail initial == [ ] && (head initial).imports == [ ]) then initial
        else genericClosure { startSet = initial; operator = children; };
      disabling = filter (m: m.disabled != [ ]) closure;
      # Keys of modules that others disable.
      disabled =
        let
          keyOf = m: entry:
            if isString entry && builtins.substring 0 1 entry != "/" then "${toString (specialArgs.modulesPath or "")}/${entry}"
            else if isAttrs entry && entry ? key then toString entry.key
            else if isAttrs entry then throw "Module `${m.file}' contains a disabledModules item that is an attribute set, presumably a module, that does not have a `key' attribute. Without one, give its path."
            else toString entry;
        in
        concatMap (m: map (keyOf m) (lib.toList m.disabled)) disabling;
      collected =
        if disabling == [ ] then closure
        else
          let enabled = filter (m: !elem m.key disabled); in
          genericClosure { startSet = enabled initial; operator = m: enabled (children m); };
      inGraph = m: {
        inherit (m) key file;
        imports = map inGraph (children m);
        disabled = elem m.key disabled;
      };
      classed =
        if class == null then collected
        else map
          (m:
            if m.class == null || m.class == class then m
            else throw "The module `${m.file}` (class: ${lib.strings.escapeNixString m.class}) cannot be imported into a module evaluation that expects class ${lib.strings.escapeNixString class}.")
          collected;
      # Later modules come first, as in nixpkgs: it is visible in the order of lists.
      ordered = reverseList classed;

      declarations = concatMap (m: if m.options == { } then [ ] else [{ inherit (m) file; inherit (m) options; }]) ordered;
      configurations = reverseList definitions ++ map (m: { inherit (m) file; value = m.config; }) ordered;

      tree = mergeTree prefix declarations configurations { inherit _module; options = moduleTree.options; };

      # -- `_module` --

      ownDefinitions = tree.moduleDefinitions;
      moduleTree = mergeTree (prefix ++ [ "_module" ])
        ([{ file = "lib/modules.nix"; options = moduleOptions; }] ++ tree.moduleDeclarations)
        (ownDefinitions ++ [{
          file = "lib/modules.nix";
          value = {
            args = mapAttrs (_: lib.mkOptionDefault) implicit // moduleArgs;
            check = lib.mkOptionDefault check;
            specialArgs = specialArgs;
          };
        }])
        null;
      _module =
        if ownDefinitions == [ ] && tree.moduleDeclarations == [ ]
        then { args = implicit // moduleArgs; inherit check specialArgs; freeformType = null; }
        else moduleTree.values;

      # -- what no option takes --

      unmatched = tree.unmatched { };
      freeform =
        if unmatched == [ ] then { }
        else _module.freeformType.merge prefix
          (map (def: { inherit (def) file; value = setAttrByPath (lib.drop (length prefix) def.loc) def.value; }) unmatched);
      declared = tree.values;
      values = if _module.freeformType == null then declared else lib.recursiveUpdate freeform declared;
      options = tree.options;

      checked =
        if _module.freeformType == null && _module.check && unmatched != [ ]
        then throw (unknownOption (head unmatched) unmatched declarations prefix)
        else values;

      result = {
        _type = "configuration";
        inherit options _module class;
        config = removeAttrs checked [ "_module" ];
        extendModules = extendArgs@{ modules ? [ ], specialArgs ? { }, prefix ? extendedPrefix }:
          evalPreloaded {
            preloaded = joinPreloaded preloaded (preloadWith ":extended-${toString (length preloaded.loaded)}" modules);
            specialArgs = allSpecialArgs // specialArgs;
            inherit prefix class implicit moduleArgs check definitions;
          };
        type = types.submoduleWithPreloaded {
          inherit specialArgs class;
          # Definitions become modules, since those of the type's user come on top of them.
          preloaded = joinPreloaded preloaded {
            wanted = { };
            loaded = lib.imap1
              (n: def: { key = ":own-${toString (length preloaded.loaded)}-${toString n}"; inherit (def) file; attrs = { config = def.value; }; })
              definitions;
          };
        };
        # For those that look at how an evaluation came about.
        graph = map inGraph initial;
      };
      extendedPrefix = prefix;
      allSpecialArgs = specialArgs;
    in
    result;

  moduleOptions = {
    args = mkOption {
      type = types.lazyAttrsOf types.raw;
      description = "Additional arguments passed to each module.";
    };
    check = mkOption {
      type = types.bool;
      internal = true;
      description = "Whether a definition without an option is an error.";
    };
    freeformType = mkOption {
      type = types.nullOr types.optionType;
      default = null;
      internal = true;
      description = "If set, the type of everything that no option takes.";
    };
    specialArgs = mkOption {
      readOnly = true;
      internal = true;
      type = types.lazyAttrsOf types.raw;
      description = "Arguments that were given to the evaluation itself.";
    };
  };

  # -- joining declarations and definitions ------------------------------------------------------

  # `declarations`: `{ file; options; }`, `definitions`: `{ file; value; }`, all at `loc`.
  # `own`: null, or what to put for `_module`, at the root of an evaluation.
  mergeTree = loc: declarations: definitions: own:
    let
      splitDeclaration = d:
        if d.options ? _type && isString d.options._type then throw "In module ${d.file}: expected an option declaration at option path `${showOption loc}' but got an attribute set with type ${d.options._type}.${lib.optionalString (d.options._type == "option-type") " Write `mkOption { type = …; }'."}"
        else if !isAttrs d.options then throw "In module ${d.file}: expected an option declaration at option path `${showOption loc}' but got a value of type ${builtins.typeOf d.options}."
        else mapAttrs (_: v: { inherit (d) file; options = v; parent = d.options; }) d.options;
      # Below the top most sets of options are declared in one place.
      single = declarations != [ ] && tail declarations == [ ];
      declaredByName' =
        if single then splitDeclaration (head declarations)
        else zipAttrsWith (_: ds: ds) (map splitDeclaration declarations);
      definedByName' = zipAttrsWith (_: ds: ds) (concatMap (d: splitDefinition loc d.file d.value) definitions);

      declaredByName = if own == null then declaredByName' else removeAttrs declaredByName' [ "_module" ];
      definedByName = if own == null then definedByName' else removeAttrs definedByName' [ "_module" ];

      entries =
        if single then mapAttrs (name: d: singleEntry (loc ++ [ name ]) d (definedByName.${name} or [ ])) declaredByName
        else mapAttrs (name: ds: mergeEntry (loc ++ [ name ]) ds (definedByName.${name} or [ ])) declaredByName;
      values = mapAttrs (_: e: e.value) entries;
      options = mapAttrs (_: e: e.options) entries;
    in
    {
      values = if own == null then values else values // { inherit (own) _module; };
      options = if own == null then options else options // { _module = own.options; };
      moduleDeclarations = if single then lib.optional (declaredByName' ? _module) declaredByName'._module else declaredByName'._module or [ ];
      moduleDefinitions = definedByName'._module or [ ];
      # Definitions that no option takes. A function, so that it is not kept when nobody asks.
      unmatched = _: concatMap
        (name:
          if entries ? ${name} then entries.${name}.unmatched { }
          else map (def: def // { loc = loc ++ [ name ]; }) definedByName.${name})
        (attrNames definedByName);
    };

  isOption = value: value._type or null == "option";

  subtreeEntry = loc: declarations: definitions:
    let tree = mergeTree loc declarations definitions null; in
    { value = tree.values; inherit (tree) options unmatched; };

  singleEntry = loc: declaration: definitions:
    if declaration.options._type or null == "option" then {
      value = optionValue loc declaration.file declaration.options definitions;
      unmatched = noneUnmatched;
      options = optionRecord loc [ declaration ] declaration.options definitions;
    }
    else subtreeEntry loc [ declaration ] definitions;

  mergeEntry = loc: declarations: definitions:
    let
      withOption = filter (d: isOption d.options) declarations;
    in
    if tail declarations == [ ] then singleEntry loc (head declarations) definitions
    else if withOption == [ ] then subtreeEntry loc declarations definitions
    else if length withOption == length declarations then optionEntry loc declarations definitions
    else
      let
        asSubmodule = d:
          if isOption d.options then d
          else d // { options = mkOption { type = types.submoduleWith { modules = [{ _file = d.file; inherit (d) options; }]; }; }; };
        bare = head (filter (d: !isOption d.options) declarations);
        nested = lib.all (d: (d.options.type or null).name or null == "submodule") withOption;
      in
      if nested then optionEntry loc (map asSubmodule declarations) definitions
      else throw "The option `${showOption loc}' in module `${(head withOption).file}' would be a parent of the following options, but its type `${(head withOption).options.type.description or "<no description>"}' does not support nested options.\n${
        lib.concatMapStringsSep "\n" (name: "- option(s) with prefix `${showOption (loc ++ [ name ])}' in module `${bare.file}'") (attrNames bare.options)}";

  noneUnmatched = _: [ ];

  optionEntry = loc: declarations: definitions:
    let declared = mergeOptionDecls loc declarations; in
    {
      value = optionValue loc (head declarations).file declared definitions;
      unmatched = noneUnmatched;
      options = optionRecord loc declarations declared definitions;
    };

  # What the module argument `options` says about an option.
  optionRecord = loc: declarations: declared: definitions:
    let
      name = lib.last loc;
      positionOf = d:
        let position = builtins.unsafeGetAttrPos name d.parent; in
        if position == null then { inherit (d) file; line = null; column = null; } else position;
    in
    declared // evalOption loc (head declarations).file declared definitions // {
      inherit loc;
      type = declared.type or types.unspecified;
      declarations = map (d: d.file) declarations;
      declarationPositions = map positionOf declarations;
      options = [ ];
      __toString = _: showOption loc;
    };

  # One option out of several declarations of it; their types combine if they can.
  mergeOptionDecls = loc: declarations:
    lib.foldl'
      (acc: d:
        let
          option = d.options;
          clash = filter (name: acc ? ${name} && option ? ${name}) [ "default" "example" "description" "apply" ];
          # In this order, since modules of submodules are in the order in which they were given.
          merged = (option.type or types.unspecified).typeMerge (acc.type or types.unspecified).functor;
          both = acc ? type && option ? type;
        in
        if clash != [ ] || (both && merged == null) then
          throw "The option `${showOption loc}' in `${d.file}' is already declared in ${lib.showFiles [ acc.file ]}.${
            if clash != [ ] then " Both declarations have `${head clash}'."
            else " Their types `${acc.type.description}' and `${option.type.description}' do not combine."}"
        else acc // option // optionalAttrs both { type = merged; } // {
          inherit (acc) file;
          readOnly = acc.readOnly or false || option.readOnly or false;
        })
      ({ inherit (head declarations) file; } // (head declarations).options)
      (tail declarations);

  # -- the value of one option -------------------------------------------------------------------

  # The definitions that count, the default among them.
  resolveOption = file: option: definitions:
    let
      discharged = if tail definitions == [ ] then dischargeDefinition (head definitions) else concatMap dischargeDefinition definitions;
      asDefault = { inherit file; value = { _type = "override"; priority = 1500; content = option.default; }; };
      default =
        if !(option ? default) then { values = [ ]; highestPrio = 9999; }
        else if option.default ? _type then resolveDefinitions [ asDefault ]
        else { values = [{ inherit file; value = option.default; }]; highestPrio = 1500; };
    in
    if definitions == [ ] || discharged == [ ] then default
    else if tail discharged == [ ] && !((head discharged).value ? _type) then { values = discharged; highestPrio = 100; }
    else resolveDefinitions (if option ? default then [ asDefault ] ++ discharged else discharged);

  # By far most options have no definition: their default is then all there is.
  mergeOption = loc: file: option: definitions:
    if definitions == [ ] && option ? default && !(option.default ? _type)
    then mergeSingle loc (option.type or types.unspecified) { inherit file; value = option.default; }
    else if option.readOnly or false && definitions != [ ] && length (concatMap dischargeDefinition definitions) + (if option ? default then 1 else 0) > 1
    then throw "The option `${showOption loc}' is read-only, but it's set multiple times. Definition values:${showDefsOf loc definitions}"
    else mergeResolved loc (option.type or types.unspecified) (resolveOption file option definitions).values;

  optionValue = loc: file: option: definitions:
    if option ? apply then option.apply (mergeOption loc file option definitions)
    else mergeOption loc file option definitions;

  evalOption = loc: file: option: definitions:
    let
      resolved = resolveOption file option definitions;
    in
    {
      value = optionValue loc file option definitions;
      valueMeta = (option.type or types.unspecified).valueMeta loc resolved.values;
      isDefined = resolved.values != [ ];
      inherit (resolved) highestPrio;
      definitions = map (def: def.value) resolved.values;
      definitionsWithLocations = map (def: { inherit (def) file value; }) resolved.values;
      files = map (def: def.file) resolved.values;
      # Where each definition stands; null where the evaluator does not know.
      positions = map
        (def: if def.parent or null == null then null else builtins.unsafeGetAttrPos (lib.last loc) def.parent)
        resolved.values;
    };

  mergeResolved = loc: type: defs:
    if defs == [ ] then
      # Lists, sets and the like can be empty; a submodule still has its defaults.
      (if type.emptyValue ? value then (if type.name == "submodule" then type.merge loc [ ] else type.emptyValue.value)
      else throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.")
    else if tail defs == [ ] then mergeSingle loc type (head defs)
    else
      let wrong = filter (def: !type.check def.value) defs; in
      if wrong == [ ] then builtins.addErrorContext "while evaluating the option `${showOption loc}':" (type.merge loc defs)
      else wrongType loc type wrong;

  # Of a plain type, a value that it takes is the result already.
  mergeSingle = loc: type: def:
    if !type.check def.value then wrongType loc type [ def ]
    else if type.merge.plain or false then def.value
    else builtins.addErrorContext "while evaluating the option `${showOption loc}':" (type.merge loc [ def ]);

  wrongType = loc: type: defs:
    throw "A definition for option `${showOption loc}' is not of type `${type.description}'. Definition values:${showDefsOf loc defs}";

  # For types: merge what has been defined for an element of theirs.
  mergeDefinitions = loc: type: defs:
    let resolved = resolveDefinitions defs; in
    rec {
      defsFinal' = resolved;
      defsFinal = resolved.values;
      isDefined = resolved.values != [ ];
      mergedValue = mergeResolved loc type resolved.values;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };

  # -- unknown options ---------------------------------------------------------------------------

  unknownOption = def: all: declarations: prefix:
    let
      loc = def.loc;
      below = lib.drop (length prefix) loc;
      siblings = namesAt (lib.init below) declarations;
      nearest = closest (lib.last below) siblings;
      # Of few names, any may be the one, unless the right one stands elsewhere.
      few = lib.optionals (length siblings <= 2) (lib.sortOn (lib.levenshtein (lib.last below)) siblings);
      near = map (name: lib.init loc ++ [ name ])
        (if few != [ ] && (nearest != [ ] || elsewhere == [ ]) then few else nearest);
      # Perhaps the name is right and stands elsewhere.
      elsewhere = lib.take 2
        (let inside = whereNamed (lib.last below) (lib.init below) declarations; in
        if inside != [ ] || length below < 2 then map (path: lib.init loc ++ path) inside
        else map (path: prefix ++ path) (whereNamed (lib.last below) [ ] declarations));
      shown = map (path: "`${showOption path}'") (if near != [ ] then near else elsewhere);
      sameOption = filter (d: d.loc == loc) all;
    in
    builtins.addErrorContext "while evaluating the error message for definitions for `${showOption loc}', which is an option that does not exist" (
      "The option `${showOption loc}' does not exist. Definition values:${showDefsOf loc sameOption}"
      + lib.optionalString (shown != [ ]) "\n\nDid you mean ${alternatives shown}?"
      + lib.optionalString (holdsOption 2 def.value) "\n\nIt seems as if you're trying to declare an option by placing it into `config' rather than `options'!"
      + lib.optionalString (declarations == [ ])
        "\n\nHowever there are no options defined${lib.optionalString (prefix != [ ]) " in `${showOption prefix}'"}. This can happen if you e.g. declared your options in `types.submodule' under `config' rather than `options'."
    );

  # `a, b or c`
  alternatives = words:
    if length words < 2 then head words
    else "${lib.concatStringsSep ", " (lib.init words)} or ${lib.last words}";

  # Whether a value is an option's declaration or a set with one in it. A value may be an error.
  holdsOption = depth: value:
    let found = builtins.tryEval (isOption value || depth > 0 && isAttrs value && !(value ? _type) && lib.any (holdsOption (depth - 1)) (builtins.attrValues value)); in
    found.success && found.value;

  isTree = value: isAttrs value && !(isOption value);
  # What is declared at a path below the declarations.
  treesAt = path: declarations:
    lib.foldl'
      (trees: name: concatMap (t: if isTree t && t ? ${name} then [ t.${name} ] else [ ]) trees)
      (map (d: d.options) declarations)
      path;
  # Names of options and sets of options there.
  namesAt = path: declarations:
    lib.unique (concatMap (t: if isTree t then attrNames t else [ ]) (treesAt path declarations));
  # Paths from there, of at most four names, that end in a name.
  whereNamed = name: path: declarations:
    let
      search = depth: tree:
        if depth == 0 || !isTree tree then [ ]
        else
          lib.optional (tree ? ${name}) [ name ]
          ++ concatMap (inner: map (found: [ inner ] ++ found) (search (depth - 1) tree.${inner})) (attrNames tree);
    in
    lib.sortOn length (lib.unique (concatMap (search 4) (treesAt path declarations)));

  # At most three names that are a few edits away, or that contain the word or are in it.
  closest = word: names:
    let
      limit = lib.max 2 (lib.min 4 (builtins.stringLength word / 3));
      # Half a name counts as well: `isNormal` for `isNormalUser`.
      begun = name: builtins.stringLength word > 3 && lib.hasPrefix (lib.toLower word) (lib.toLower name);
      related = name: lib.levenshteinAtMost limit (lib.toLower word) (lib.toLower name) || begun name;
      ranked = lib.sortOn (name: lib.levenshtein word name) (filter related names);
    in
    lib.take 3 ranked;

  # -- small public pieces -----------------------------------------------------------------------

  setDefaultModuleLocation = file: module: { _file = file; imports = [ module ]; };

  # The module in a file that takes arguments of its own before those of modules.
  importApply = path: staticArgs: setDefaultModuleLocation path (import path staticArgs);

  unifyModuleSyntax = file: key: m:
    let u = unify file key m; in
    { _file = u.file; _class = u.class; disabledModules = u.disabled; inherit (u) key imports options config; };

  applyModuleArgsIfFunction = key: f: args:
    if lib.isFunction f then applyModuleArgs key f args else f;
  applyModuleArgs = _: f: args@{ config, ... }:
    f (args // mapAttrs (name: _: args.${name} or config._module.args.${name}) (lib.functionArgs f));

  # Trees of modules given as `{ _file; options; config; }`.
  mergeModules = prefix: modules:
    mergeModules' prefix modules (map (m: { file = m._file; value = m.config; }) modules);
  mergeModules' = prefix: modules: configs:
    let
      tree = mergeTree prefix (map (m: { file = m._file; inherit (m) options; }) modules)
        (map (c: { inherit (c) file; value = c.value or c.config; }) configs) null;
    in
    { matchedOptions = tree.options; unmatchedDefns = tree.unmatched { }; };

  evalOptionValue = loc: option: defs:
    option // evalOption loc (head (option.declarations or [ unknownModule ])) option defs // { inherit loc; };

  # Of an option that is a set: each attribute's value, and with what priority it was defined.
  mergeAttrDefinitionsWithPrio = option:
    let
      element = option.type.nestedTypes.elemType;
      byName = zipAttrsWith (_: ds: ds)
        (concatMap (def: splitDefinition option.loc def.file def.value) option.definitionsWithLocations);
    in
    mapAttrs
      (name: defs:
        let resolved = resolveDefinitions defs; in
        { value = mergeResolved (option.loc ++ [ name ]) element resolved.values; inherit (resolved) highestPrio; })
      byName;

  fixupOptionType = loc: option: option // { type = option.type or types.unspecified; };
in
{
  inherit (lib.properties)
    defaultOrderPriority defaultOverridePriority dischargeProperties doRename filterOverrides
    filterOverrides' mapDefinitionValue mkAfter mkAliasAndWrapDefinitions mkAliasAndWrapDefsWithPriority
    mkAliasDefinitions mkAliasIfDef mkAliasOptionModule mkAliasOptionModuleMD mkAssert mkBefore
    mkChangedOptionModule mkDefault mkDefinition mkDerivedConfig mkFixStrictness mkForce mkIf
    mkImageMediaOverride mkMerge mkMergedOptionModule mkOptionDefault mkOrder mkOverride
    mkRemovedOptionModule mkRenamedOptionModule mkRenamedOptionModuleWith mkVMOverride
    pushDownProperties sortProperties;
  inherit
    applyModuleArgs applyModuleArgsIfFunction evalModules evalOptionValue evalPreloaded
    fixupOptionType importApply joinPreloaded mergeAttrDefinitionsWithPrio mergeDefinitions mergeModules mergeModules'
    mergeResolved preload preloadWith setDefaultModuleLocation unifyModuleSyntax;
  # The tree's own form takes declarations as `{ file; options; }`.
  mergeOptionDecls = loc: opts: mergeOptionDecls loc (map (o: { file = o._file or o.file or unknownModule; inherit (o) options; }) opts);
  fixMergeModules = modules: args: lib.fix (result:
    evalPreloaded { preloaded = preload modules; moduleArgs = args; });
}
