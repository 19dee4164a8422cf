# Types of options: which values they take and how several definitions become one value.
{ lib }:
let
  inherit (builtins)
    attrNames attrValues concatMap elem elemAt filter foldl' head isAttrs isBool isFloat isFunction
    isInt isList isPath isString length listToAttrs map mapAttrs match stringLength substring tail
    toJSON zipAttrsWith;
  inherit (lib)
    concatMapStringsSep concatStringsSep isStorePath isStringLike mkOption optionalAttrs
    setDefaultModuleLocation showOption;
  inherit (lib.modules) mergeDefinitions mergeResolved preload evalPreloaded;
  inherit (lib.options)
    mergeDefaultOption mergeEqualOption mergeOneOption mergeUniqueOption showDefsOf;
  inherit (lib.properties) resolveDefinitions;

  isType = type: value: value._type or "" == type;
  setType = type: attrs: attrs // { _type = type; };
  isOptionType = isType "option-type";

  # -- making types ------------------------------------------------------------------------------

  defaultFunctor = name: {
    inherit name;
    type = types.${name} or null;
    payload = null;
    binOp = _: _: null;
    wrapped = null;
  };

  # Two types of the same name combine: parameters by `binOp`, without parameters to themselves.
  defaultTypeMerge = f: f':
    if f.name != f'.name then null
    else if f.payload or null != null then
      (let payload = f.binOp f.payload f'.payload; in
      if f'.payload or null == null || payload == null then null else f.type payload)
    else if f'.payload or null != null then null
    else f.type;

  mkOptionType =
    { name
    , description ? null
    , descriptionClass ? null
    , check ? (_: true)
    , merge ? mergeDefaultOption
    , emptyValue ? { }
    , getSubOptions ? (_: { })
    , getSubModules ? null
    , substSubModules ? (_: null)
    , typeMerge ? null
    , functor ? defaultFunctor name
    , deprecationMessage ? null
    , nestedTypes ? { }
    # What is known of a value besides itself, such as the evaluation behind a submodule's.
    , valueMeta ? (_: _: { })
    , ...
    }@args:
    {
      _type = "option-type";
      inherit name check merge valueMeta emptyValue getSubOptions getSubModules substSubModules deprecationMessage nestedTypes descriptionClass;
      description = if description == null then name else description;
      functor = if functor ? wrappedDeprecationMessage || functor ? wrapped then functor else functor // { wrapped = null; };
      typeMerge =
        if typeMerge != null then typeMerge
        # A type without parameters is not looked up by name: it is this one.
        else if functor.payload or null == null && functor.type == null
        then f': if name == f'.name && f'.payload or null == null then mkOptionType args else null
        else defaultTypeMerge functor;
    } // optionalAttrs (args ? nestedType) { inherit (args) nestedType; };

  # Payload `{ elemType; }`: combine when the element types do.
  elemTypeFunctor = name: constructor: elemType: {
    inherit name;
    type = payload: constructor payload.elemType;
    payload = { inherit elemType; };
    binOp = a: b:
      let merged = a.elemType.typeMerge b.elemType.functor; in
      if merged == null then null else { elemType = merged; };
    wrapped = elemType;
  };

  # A description as part of a longer one: in parentheses when it is not a noun.
  phrase = class: type:
    if class type.descriptionClass then type.description else "(${type.description})";
  optionDescriptionPhrase = isClass: t: phrase isClass t;
  isNoun = class: class == "noun" || class == "composite";
  isChoice = class: class == "noun" || class == "conjunction";

  # A way of merging that leaves a single definition as it is: the module system then need not ask
  # it. Whoever gives a type another `merge` also takes this mark away.
  plainly = merge: { __functor = _: merge; plain = true; };
  plainlyIf = condition: merge: if condition then plainly merge else merge;
  isPlain = type: type.merge.plain or false;

  simple = name: description: check: mkOptionType {
    inherit name description check;
    descriptionClass = "noun";
    merge = plainly mergeEqualOption;
  };

  # -- numbers -----------------------------------------------------------------------------------

  isNumber = x: isInt x || isFloat x;

  intBetween = low: high:
    assert lib.assertMsg (low <= high) "ints.between: ${toString low} is greater than ${toString high}";
    types.addCheck types.int (x: x >= low && x <= high) // {
      name = "intBetween";
      description = "integer between ${betweenText low high}";
    };
  betweenText = low: high: "${toString low} and ${toString high} (both inclusive)";
  signedOfBits = bits: low: high: intBetween low high // {
    name = "signedInt${toString bits}";
    description = "${toString bits} bit signed integer; between ${betweenText low high}";
  };
  unsignedOfBits = bits: high: intBetween 0 high // {
    name = "unsignedInt${toString bits}";
    description = "${toString bits} bit unsigned integer; between ${betweenText 0 high}";
  };

  # -- strings -----------------------------------------------------------------------------------

  separated = name: description: sep: mkOptionType {
    inherit name description;
    descriptionClass = "noun";
    check = isString;
    merge = plainly (_: defs: concatStringsSep sep (map (def: def.value) defs));
    functor = {
      inherit name;
      payload = { inherit sep; };
      type = payload: types.separatedString payload.sep;
      binOp = a: b: if a.sep == b.sep then { inherit (a) sep; } else null;
    };
  };

  # -- containers --------------------------------------------------------------------------------

  # What `f` makes of each element of lists. `[definition 1-entry 2]` names one that has no name in messages.
  listElements = f: loc: defs:
    let
      element = defNumber: def: entryNumber: value:
        let
          resolved =
            if value ? _type then (resolveDefinitions [{ inherit (def) file; inherit value; }]).values
            else [{ inherit (def) file; inherit value; }];
        in
        if resolved == [ ] then [ ]
        else [ (f (loc ++ [ "[definition ${toString defNumber}-entry ${toString entryNumber}]" ]) resolved) ];
      ofDefinition = defNumber: def: lib.concatLists (lib.imap1 (element defNumber def) def.value);
    in
    lib.concatLists (lib.imap1 ofDefinition defs);

  # An option that says where it was declared.
  declaredAt = position: option:
    if position == null then { declarations = [ ]; declarationPositions = [ ]; } // option
    else { declarations = [ position.file ]; declarationPositions = [ position ]; } // option;

  # Definitions of sets to one set of their elements' definitions.
  elementDefinitions = defs:
    zipAttrsWith (_: ds: ds)
      (map (def: mapAttrs (_: value: { inherit (def) file; inherit value; parent = def.value; }) def.value) defs);

  attrsWith = { elemType, lazy ? false, placeholder ? "name" }: mkOptionType {
    name = if lazy then "lazyAttrsOf" else "attrsOf";
    description = (if lazy then "lazy attribute set" else "attribute set") + " of ${phrase isNoun elemType}";
    descriptionClass = "composite";
    check = isAttrs;
    merge = loc: defs:
      let
        byName = elementDefinitions defs;
        lazyElement = name: ds:
          let
            inherit (resolveDefinitions ds) values;
            here = loc ++ [ name ];
          in
          if values == [ ] then elemType.emptyValue.value or (mergeResolved here elemType values)
          else mergeResolved here elemType values;
        elements = mapAttrs (_: ds: (resolveDefinitions ds).values) byName;
        absent = filter (name: elements.${name} == [ ]) (attrNames elements);
        present = if absent == [ ] then elements else removeAttrs elements absent;
      in
      if lazy then mapAttrs lazyElement byName
      else mapAttrs (name: values: mergeResolved (loc ++ [ name ]) elemType values) present;
    valueMeta = loc: defs: {
      attrs = mapAttrs (name: ds: elemType.valueMeta (loc ++ [ name ]) (resolveDefinitions ds).values)
        (lib.filterAttrs (_: ds: lazy || (resolveDefinitions ds).values != [ ]) (elementDefinitions defs));
    };
    emptyValue = { value = { }; };
    getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<${placeholder}>" ]);
    getSubModules = elemType.getSubModules;
    substSubModules = m: attrsWith { elemType = elemType.substSubModules m; inherit lazy placeholder; };
    functor = {
      name = "attrsWith";
      type = attrsWith;
      payload = { inherit elemType lazy placeholder; };
      binOp = a: b:
        let
          merged = a.elemType.typeMerge b.elemType.functor;
          together = if a.placeholder == b.placeholder then a.placeholder
            else if a.placeholder == "name" then b.placeholder
            else if b.placeholder == "name" then a.placeholder
            else null;
        in
        if merged == null || a.lazy != b.lazy || together == null then null
        else { elemType = merged; inherit (a) lazy; placeholder = together; };
      wrapped = elemType;
    };
    nestedTypes = { inherit elemType; };
  };

  # -- submodules --------------------------------------------------------------------------------

  submoduleWith = { modules, specialArgs ? { }, shorthandOnlyDefinesConfig ? null, description ? null, class ? null }@attrs:
    submoduleOf (attrs // { preloaded = preload modules; });

  # As `submoduleWith`, with its modules loaded already; `modules` may be missing.
  submoduleWithPreloaded = submoduleOf;

  submoduleOf = { preloaded, modules ? null, specialArgs ? { }, shorthandOnlyDefinesConfig ? null, description ? null, class ? null }@payload:
    let
      shorthand = if shorthandOnlyDefinesConfig == null then false else shorthandOnlyDefinesConfig;
      # Definitions that are plain configurations need not become modules first.
      isConfiguration = def:
        shorthand && isAttrs def.value && !(def.value ? __functor);
      asModule = def:
        if isAttrs def.value || isFunction def.value
        then setDefaultModuleLocation def.file def.value
        else def.value;
      evaluate = loc: defs: evalPreloaded {
        preloaded =
          let others = filter (def: !isConfiguration def) defs; in
          if others == [ ] then preloaded
          else lib.modules.joinPreloaded preloaded (lib.modules.preloadWith ":definition-${toString (length preloaded.loaded)}" (map asModule others));
        definitions = filter isConfiguration defs;
        prefix = loc;
        implicit = { name = lib.last loc; };
        inherit specialArgs class;
      };
      documented = evalPreloaded {
        inherit preloaded specialArgs class;
        implicit = { name = "‹name›"; };
      };
      name = "submodule";
    in
    mkOptionType {
      inherit name;
      description =
        if description != null then description
        else if documented._module.freeformType or null != null
        then "open submodule of ${phrase isNoun documented._module.freeformType}"
        else name;
      check = x: isAttrs x || isFunction x || isPath x || isString x && substring 0 1 x == "/";
      merge = loc: defs: (evaluate loc defs).config;
      valueMeta = loc: defs: { configuration = evaluate loc defs; };
      emptyValue = { value = { }; };
      getSubOptions = prefix:
        let
          inner = evalPreloaded {
            inherit preloaded specialArgs class prefix;
            implicit = { name = "‹name›"; };
          };
          freeform = inner._module.freeformType or null;
        in
        removeAttrs inner.options [ "_module" ]
        // optionalAttrs (freeform != null) { _freeformOptions = freeform.getSubOptions prefix; };
      getSubModules = if modules == null then [ ] else modules;
      substSubModules = new: submoduleWith (removeAttrs payload [ "preloaded" ] // { modules = new; });
      functor = {
        inherit name;
        type = submoduleOf;
        payload = { inherit preloaded modules specialArgs shorthandOnlyDefinesConfig description class; };
        wrapped = null;
        binOp = a: b:
          let
            clash = builtins.intersectAttrs a.specialArgs b.specialArgs;
            same = what: x: y: if x == null then y else if y == null || x == y then x
              else throw "A submoduleWith option is declared multiple times with conflicting ${what} \"${x}\" and \"${y}\".";
          in
          if clash != { } then throw "A submoduleWith option is declared multiple times with the same specialArgs ${toString (attrNames clash)}"
          else {
            preloaded = {
              # Their keys must differ, or one would be taken for the other.
              loaded = a.preloaded.loaded ++ map (m: m // { key = if substring 0 1 m.key == ":" then ":${m.key}" else m.key; }) b.preloaded.loaded;
              wanted = a.preloaded.wanted // b.preloaded.wanted;
            };
            modules = if a.modules == null || b.modules == null then null else a.modules ++ b.modules;
            specialArgs = a.specialArgs // b.specialArgs;
            shorthandOnlyDefinesConfig =
              if a.shorthandOnlyDefinesConfig == null then b.shorthandOnlyDefinesConfig
              else if b.shorthandOnlyDefinesConfig == null || a.shorthandOnlyDefinesConfig == b.shorthandOnlyDefinesConfig then a.shorthandOnlyDefinesConfig
              else throw "A submoduleWith option is declared multiple times with conflicting shorthandOnlyDefinesConfig values";
            # The declaration that came first is `b`.
            description = same "descriptions" b.description a.description;
            class = same "class values" b.class a.class;
          };
      };
    };

  types = {
    inherit isType setType isOptionType mkOptionType defaultFunctor defaultTypeMerge attrsWith
      submoduleWith submoduleWithPreloaded optionDescriptionPhrase;
    mergeTypes = a: b: if isOptionType a && isOptionType b
      then (let merged = a.typeMerge b.functor; in if merged == null then setType "merge-error" { error = "Cannot merge two types"; } else merged)
      else throw "mergeTypes expects two option types";
    noCheckForDocsModule = null;

    # -- anything --

    raw = mkOptionType {
      name = "raw";
      description = "raw value";
      descriptionClass = "noun";
      check = _: true;
      merge = plainly mergeOneOption;
    };

    unspecified = mkOptionType {
      name = "unspecified";
      description = "unspecified value";
      descriptionClass = "noun";
    };

    anything = mkOptionType {
      name = "anything";
      description = "anything";
      descriptionClass = "noun";
      check = _: true;
      merge = loc: defs:
        let
          kindOf = value:
            if isAttrs value && isStringLike value then "stringCoercibleSet"
            else builtins.typeOf value;
          kinds = lib.unique (map (def: kindOf def.value) defs);
          kind = head kinds;
        in
        if length kinds != 1 then throw "The option `${showOption loc}' has conflicting option types in ${lib.showFiles (map (d: d.file) defs)}"
        else if kind == "set" then (attrsWith { elemType = types.anything; }).merge loc defs
        else if kind == "lambda" then x: types.anything.merge (loc ++ [ "<function body>" ]) (map (def: { inherit (def) file; value = def.value x; }) defs)
        else mergeEqualOption loc defs;
    };

    # -- numbers and truth --

    bool = simple "bool" "boolean" isBool;
    boolByOr = mkOptionType {
      name = "boolByOr";
      description = "boolean (merged using or)";
      descriptionClass = "noun";
      check = isBool;
      merge = _: defs: lib.any (def: def.value) defs;
    };
    int = simple "int" "signed integer" isInt;
    float = simple "float" "floating point number" isFloat;
    number = types.either types.int types.float;
    numbers =
      let
        base = types.number;
        described = name: description: check: types.addCheck base check // { inherit name description; };
      in
      {
        between = low: high:
          assert lib.assertMsg (low <= high) "numbers.between: ${toString low} is greater than ${toString high}";
          described "numberBetween" "integer or floating point number between ${betweenText low high}" (x: x >= low && x <= high);
        nonnegative = described "numberNonnegative" "nonnegative integer or floating point number, meaning >=0" (x: x >= 0)
          // { descriptionClass = "nonRestrictiveClause"; };
        positive = described "numberPositive" "positive integer or floating point number, meaning >0" (x: x > 0)
          // { descriptionClass = "nonRestrictiveClause"; };
      };
    ints = {
      between = intBetween;
      unsigned = types.addCheck types.int (x: x >= 0) // {
        name = "unsignedInt";
        description = "unsigned integer, meaning >=0";
        descriptionClass = "nonRestrictiveClause";
      };
      positive = types.addCheck types.int (x: x > 0) // {
        name = "positiveInt";
        description = "positive integer, meaning >0";
        descriptionClass = "nonRestrictiveClause";
      };
      u8 = unsignedOfBits 8 255;
      u16 = unsignedOfBits 16 65535;
      u32 = unsignedOfBits 32 4294967295;
      s8 = signedOfBits 8 (-128) 127;
      s16 = signedOfBits 16 (-32768) 32767;
      s32 = signedOfBits 32 (-2147483648) 2147483647;
    };
    port = types.ints.u16 // { description = "16 bit unsigned integer; between 0 and 65535 (both inclusive)"; };

    # -- strings --

    str = simple "str" "string" isString;
    string = lib.warn "The type `types.string' is deprecated. See https://github.com/NixOS/nixpkgs/pull/66346 for better alternative types."
      (separated "string" "string" "");
    nonEmptyStr = simple "nonEmptyStr" "non-empty string" (x: isString x && match "[ \t\n]*" x == null);
    singleLineStr = mkOptionType {
      name = "singleLineStr";
      description = "(optionally newline-terminated) single-line string";
      descriptionClass = "noun";
      check = x: isString x && match "[^\n\r]*\n?" x != null;
      merge = loc: defs: lib.removeSuffix "\n" (mergeEqualOption loc defs);
    };
    strMatching = pattern: mkOptionType {
      name = "strMatching ${lib.strings.escapeNixString pattern}";
      description = "string matching the pattern ${pattern}";
      descriptionClass = "noun";
      check = x: isString x && match pattern x != null;
      merge = plainly mergeEqualOption;
      functor = defaultFunctor "strMatching" // {
        type = payload: types.strMatching payload.pattern;
        payload = { inherit pattern; };
        binOp = a: b: if a == b then a else null;
      };
    };
    separatedString = sep: separated "separatedString"
      (if sep == "" then "Concatenated string" else "strings concatenated with ${toJSON sep}")
      sep;
    lines = separated "separatedString" "strings concatenated with \"\\n\"" "\n";
    commas = separated "separatedString" "strings concatenated with \",\"" ",";
    envVar = separated "separatedString" "strings concatenated with \":\"" ":";
    passwdEntry = elemType: types.addCheck elemType (x: !(lib.hasInfix ":" x) && !(lib.hasInfix "\n" x)) // {
      name = "passwdEntry ${elemType.name}";
      description = "${phrase isNoun elemType}, not containing newlines or colons";
      descriptionClass = "nonRestrictiveClause";
    };

    # -- files and packages --

    path = pathWith { absolute = true; } // { name = "path"; description = "absolute path"; };
    pathInStore = pathWith { inStore = true; };
    externalPath = pathWith { absolute = true; inStore = false; };
    inherit pathWith;
    fileset = mkOptionType {
      name = "fileset";
      description = "fileset";
      descriptionClass = "noun";
      check = lib.fileset.isFileset;
      merge = _: defs: lib.fileset.unions (map (x: x.value) defs);
      emptyValue.value = lib.fileset.empty;
    };
    package = mkOptionType {
      name = "package";
      description = "package";
      descriptionClass = "noun";
      check = x: lib.isDerivation x || isStorePath x;
      merge = loc: defs:
        let value = mergeOneOption loc defs; in
        if isPath value || (isString value && !(builtins.hasContext value)) then lib.toDerivation value else value;
    };
    shellPackage = types.package // { check = x: lib.isDerivation x && x ? shellPath; };
    pkgs = types.addCheck
      (types.unique { message = "A Nixpkgs pkgs set can not be merged with another pkgs set."; } types.attrs // {
        name = "pkgs";
        descriptionClass = "noun";
        description = "Nixpkgs package set";
      })
      (x: x._type or null == "pkgs");

    # -- sets and lists --

    attrs = mkOptionType {
      name = "attrs";
      description = "attribute set";
      descriptionClass = "noun";
      check = isAttrs;
      merge = plainly (_: foldl' (acc: def: acc // def.value) { });
      emptyValue = { value = { }; };
    };
    attrsOf = elemType: attrsWith { inherit elemType; };
    lazyAttrsOf = elemType: attrsWith { inherit elemType; lazy = true; };
    loaOf = elemType: types.attrsOf elemType // {
      name = "loaOf";
      deprecationMessage = "Sets of this type were given as lists once; use attrsOf.";
    };

    listOf = elemType: mkOptionType {
      name = "listOf";
      description = "list of ${phrase isNoun elemType}";
      descriptionClass = "composite";
      check = isList;
      merge = loc: defs:
        listElements (place: resolved: mergeResolved place elemType resolved) loc defs;
      valueMeta = loc: defs: { list = listElements (place: resolved: elemType.valueMeta place resolved) loc defs; };
      emptyValue = { value = [ ]; };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
      getSubModules = elemType.getSubModules;
      substSubModules = m: types.listOf (elemType.substSubModules m);
      functor = elemTypeFunctor "listOf" types.listOf elemType;
      nestedTypes = { inherit elemType; };
    };
    nonEmptyListOf = elemType:
      let list = types.addCheck (types.listOf elemType) (xs: xs != [ ]); in
      list // {
        description = "non-empty ${phrase (class: class == "noun") list}";
        emptyValue = { };
        substSubModules = m: types.nonEmptyListOf (elemType.substSubModules m);
      };
    attrListOf = elemType: attrListWith { inherit elemType; };
    inherit attrListWith;

    # -- choices --

    nullOr = elemType: mkOptionType {
      name = "nullOr";
      description = "null or ${phrase isChoice elemType}";
      descriptionClass = "conjunction";
      check = x: x == null || elemType.check x;
      merge = plainlyIf (isPlain elemType) (loc: defs:
        let nulls = lib.count (def: def.value == null) defs; in
        if nulls == length defs then null
        else if nulls != 0 then throw "The option `${showOption loc}' is defined both null and not null, in ${lib.showFiles (map (d: d.file) defs)}."
        else elemType.merge loc defs);
      valueMeta = loc: defs: if lib.any (def: def.value == null) defs then { } else elemType.valueMeta loc defs;
      emptyValue = { value = null; };
      getSubOptions = elemType.getSubOptions;
      getSubModules = elemType.getSubModules;
      substSubModules = m: types.nullOr (elemType.substSubModules m);
      functor = elemTypeFunctor "nullOr" types.nullOr elemType;
      nestedTypes = { inherit elemType; };
    };

    either = t1: t2: mkOptionType {
      name = "either";
      description =
        if t1.descriptionClass == "nonRestrictiveClause"
        then "${t1.description}, or ${phrase isChoice t2}"
        else "${phrase isChoice t1} or ${phrase (class: isChoice class || class == "composite") t2}";
      descriptionClass = "conjunction";
      check = x: t1.check x || t2.check x;
      merge = plainlyIf (isPlain t1 && isPlain t2) (loc: defs:
        if lib.all (def: t1.check def.value) defs then t1.merge loc defs
        else if lib.all (def: t2.check def.value) defs then t2.merge loc defs
        else lib.warn "One or more definitions did not pass the type-check of the 'either' type, for `${showOption loc}'." (mergeOneOption loc defs));
      valueMeta = loc: defs: (if lib.all (def: t1.check def.value) defs then t1 else t2).valueMeta loc defs;
      typeMerge = f':
        let
          first = t1.typeMerge (elemAt f'.payload.elemType 0).functor;
          second = t2.typeMerge (elemAt f'.payload.elemType 1).functor;
        in
        if f'.name == "either" && first != null && second != null then types.either first second else null;
      functor = defaultFunctor "either" // {
        payload = { elemType = [ t1 t2 ]; };
        wrapped = [ t1 t2 ];
      };
      nestedTypes = { left = t1; right = t2; };
    };
    oneOf = ts:
      if ts == [ ] then throw "types.oneOf needs at least one type in its argument"
      else foldl' types.either (head ts) (tail ts);

    enum = values:
      let
        show = v:
          if isString v then ''"${v}"''
          else if isInt v then toString v
          else if isBool v then lib.boolToString v
          else if isAttrs v then "<attrset>"
          else "<${builtins.typeOf v}>";
      in
      mkOptionType {
        name = "enum";
        description =
          if values == [ ] then "impossible (empty enum)"
          else if length values == 1 then "value ${show (head values)} (singular enum)"
          else "one of ${concatMapStringsSep ", " show values}";
        descriptionClass = if length values < 2 then "noun" else "conjunction";
        check = x: elem x values;
        merge = plainly mergeEqualOption;
        functor = {
          name = "enum";
          payload = { inherit values; };
          type = payload: types.enum payload.values;
          binOp = a: b: { values = lib.unique (a.values ++ b.values); };
        };
      };

    attrTag = given:
      let
        tags = mapAttrs
          (name: option:
            if lib.isOption option then declaredAt (builtins.unsafeGetAttrPos name given) option
            else throw "In attrTag, each tag value must be an option, but tag ${name} ${
              if isOptionType option then "was a bare type, not wrapped in mkOption" else "was of type ${builtins.typeOf option}"}.")
          given;
        isTag = value: isAttrs value && length (attrNames value) == 1 && tags ? ${head (attrNames value)};
        words = concatMapStringsSep ", " lib.strings.escapeNixIdentifier (attrNames tags);
      in
      mkOptionType {
        name = "attrTag";
        description = "attribute-tagged union with choices: ${words}";
        descriptionClass = "noun";
        check = isTag;
        merge = loc: defs:
          let
            chosen = lib.unique (concatMap (def: attrNames def.value) defs);
            choice = head chosen;
            here = loc ++ [ choice ];
          in
          if length chosen > 1 then throw "A definition for option `${showOption loc}' is not of type `attribute-tagged union with choices: ${words}': only one tag is possible, and there are ${concatStringsSep " and " chosen}. Definition values:${showDefsOf loc defs}"
          else {
            ${choice} = (lib.modules.evalOptionValue here tags.${choice}
              (map (def: { inherit (def) file; value = def.value.${choice}; parent = def.value; }) defs)).value;
          };
        getSubOptions = prefix: mapAttrs (name: option: option // { loc = prefix ++ [ name ]; }) tags;
        functor = defaultFunctor "attrTag" // {
          type = payload: types.attrTag payload.tags;
          payload = { inherit tags; };
          binOp = a: b:
            let
              all = part: options: concatMap (option: option.${part}) options;
              merged = zipAttrsWith (_: options: if length options == 1 then head options
                else lib.modules.mergeOptionDecls [ ] (map (o: { options = o; }) options) // {
                  declarations = all "declarations" options;
                  declarationPositions = all "declarationPositions" options;
                }) [ a.tags b.tags ];
            in
            { tags = merged; };
        };
      };

    coercedTo = from: coerce: to:
      let coerced = def: if from.check def.value then def // { value = coerce def.value; } else def; in
      mkOptionType {
      name = "coercedTo";
      description = "${phrase isChoice to} or ${phrase (class: class == "noun") from} convertible to it";
      check = x: to.check x || (from.check x && to.check (coerce x));
      merge = loc: defs:
        to.merge loc (map coerced defs);
      valueMeta = loc: defs: to.valueMeta loc (map coerced defs);
      emptyValue = to.emptyValue;
      getSubOptions = to.getSubOptions;
      getSubModules = to.getSubModules;
      substSubModules = m: types.coercedTo from coerce (to.substSubModules m);
      typeMerge = _: null;
      functor = defaultFunctor "coercedTo" // { wrapped = to; };
      nestedTypes = { coercedType = from; finalType = to; };
    };

    # -- functions and modules --

    functionTo = elemType: mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${phrase isNoun elemType}";
      descriptionClass = "composite";
      check = lib.isFunction;
      merge = loc: defs:
        let
          merged = argument: mergeResolved (loc ++ [ "<function body>" ]) elemType
            (resolveDefinitions (map (fn: { inherit (fn) file; value = fn.value argument; }) defs)).values;
        in
        lib.setFunctionArgs merged
          (mapAttrs (_: lib.all lib.id) (zipAttrsWith (_: v: v) (map (fn: lib.functionArgs fn.value) defs)));
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<function body>" ]);
      getSubModules = elemType.getSubModules;
      substSubModules = m: types.functionTo (elemType.substSubModules m);
      functor = elemTypeFunctor "functionTo" types.functionTo elemType;
      nestedTypes = { inherit elemType; };
    };

    submodule = modules: submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = lib.toList modules;
    };

    deferredModule = deferredModuleWith { };
    inherit deferredModuleWith;

    optionType = mkOptionType {
      name = "optionType";
      description = "optionType";
      descriptionClass = "noun";
      check = isOptionType;
      merge = loc: defs:
        let
          # Options of submodules are declared where the type is defined.
          placed = def:
            let modules = def.value.getSubModules; in
            if modules == null || modules == [ ] then def.value
            else def.value.substSubModules (map (setDefaultModuleLocation def.file) modules);
          # Let an evaluation of an option with all of these types combine them.
          merged = lib.modules.mergeOptionDecls loc
            (map (def: { _file = def.file; options = mkOption { type = placed def; }; }) defs);
        in
        # A type that stands alone may have been changed by hand, which `substSubModules` would undo.
        if length defs == 1 then (head defs).value else merged.type;
    };
    optionDeclaration = mkOptionType {
      name = "optionDeclaration";
      description = "option declaration";
      descriptionClass = "noun";
      # One that was evaluated is no declaration any more.
      check = x: lib.isOption x && !(x ? isDefined);
      merge = mergeOneOption;
    };

    # -- restrictions --

    uniq = types.unique { message = ""; };
    unique = { message }: type: mkOptionType {
      name = "unique";
      inherit (type) description descriptionClass check;
      merge = mergeUniqueOption { inherit message; inherit (type) merge; };
      emptyValue = type.emptyValue;
      getSubOptions = type.getSubOptions;
      getSubModules = type.getSubModules;
      substSubModules = m: types.unique { inherit message; } (type.substSubModules m);
      functor = elemTypeFunctor "unique" (types.unique { inherit message; }) type;
      nestedTypes.elemType = type;
    };
    addCheck = elemType: check: elemType // {
      check = x: elemType.check x && check x;
    };

    # -- data for other programs --

    luaInline = mkOptionType {
      name = "luaInline";
      description = "inline lua";
      descriptionClass = "noun";
      check = x: isType "lua-inline" x;
      merge = mergeEqualOption;
    };
    inherit serializableValueWith;
    json = serializableValueWith { typeName = "JSON"; };
    toml = serializableValueWith { typeName = "TOML"; nullable = false; };
  };

  serializableValueWith = { typeName, nullable ? true }:
    let
      base = types.oneOf [ types.bool types.int types.float types.str types.path (types.attrsOf value) (types.listOf value) ];
      value = (if nullable then types.nullOr base else base) // { description = "${typeName} value"; };
    in
    value;

  pathWith = { inStore ? null, absolute ? null }@args:
    let
      description =
        (if absolute == null then "" else if absolute then "absolute " else "relative ")
        + "path"
        + (if inStore == null then "" else if inStore then " in the Nix store" else " not in the Nix store");
    in
    if inStore != null && absolute != null && inStore && !absolute
    then throw "In pathWith, inStore means the path must be absolute"
    else mkOptionType {
      name = "path";
      inherit description;
      descriptionClass = "noun";
      check = x:
        let
          # A path in a configuration is copied into the store when it is used.
          text = if isPath x && inStore != null then "${x}" else "${if isAttrs x then x.outPath or (toString x) else toString x}";
          isAbsolute = substring 0 1 text == "/";
          # Not the store itself, nor a hidden file in it.
          inside = match "${builtins.storeDir}/[^./].*" text != null;
        in
        isStringLike x
        && (absolute == null || isAbsolute == absolute)
        && (inStore == null || inside == inStore);
      merge = plainly mergeEqualOption;
      functor = defaultFunctor "path" // {
        type = pathWith;
        payload = { inherit inStore absolute; };
        binOp = a: b: if a == b then a else null;
      };
    };

  # Modules kept for later: several definitions become one module that imports them.
  deferredModuleWith = { staticModules ? [ ] }: mkOptionType {
    name = "deferredModule";
    description = "module";
    descriptionClass = "noun";
    check = x: isAttrs x || isFunction x || isPath x || isString x && substring 0 1 x == "/";
    merge = loc: defs: {
      imports = staticModules ++ map
        (def: setDefaultModuleLocation "${def.file}, via option ${showOption loc}" def.value)
        defs;
    };
    getSubOptions = _: { };
    getSubModules = staticModules;
    substSubModules = m: deferredModuleWith { staticModules = m; };
    functor = defaultFunctor "deferredModuleWith" // {
      type = deferredModuleWith;
      payload = { inherit staticModules; };
      binOp = a: b: { staticModules = a.staticModules ++ b.staticModules; };
    };
  };

  # A list of sets with one attribute each, kept in order; a set stands for its attributes.
  attrListWith = { elemType, asAttrs ? false }: mkOptionType {
    name = "attrListOf";
    description = "attribute list of ${phrase isNoun elemType}";
    descriptionClass = "composite";
    # What is wrong with an element is said when it is merged.
    check = x: isAttrs x || isList x;
    merge = loc: defs:
      let
        wrong = def: what:
          throw "A definition for option `${showOption loc}' is not of type `attribute list of ${phrase isNoun elemType}'. Each list element must be ${what}. Definition values:${showDefsOf loc [ def ]}";
        single = def: entry:
          if !isAttrs entry then wrong def "an attribute set, but got ${builtins.typeOf entry}"
          else if length (attrNames entry) != 1 then wrong def "a single-key attribute set, but got ${toString (length (attrNames entry))} keys"
          else entry;
        # An entry in a list can have an order of its own, around it or around its value.
        entries = def:
          if isAttrs def.value then lib.mapAttrsToList (name: value: { inherit (def) file; inherit name value; }) def.value
          else concatMap
            (entry: map
              (resolved:
                let set = single def (resolved.value.content or resolved.value); name = head (attrNames set); in
                {
                  inherit (def) file;
                  inherit name;
                  value = if resolved.value._type or null == "order" then resolved.value // { content = set.${name}; } else set.${name};
                })
              (lib.properties.dischargeDefinition { inherit (def) file; value = entry; }))
            def.value;
        all = concatMap
          (entry: map (def: def // { inherit (entry) name; }) (lib.properties.dischargeDefinition { inherit (entry) file value; }))
          (concatMap entries defs);
        ordered = lib.properties.sortProperties all;
      in
      map (entry: { ${entry.name} = mergeResolved (loc ++ [ entry.name ]) elemType (resolveDefinitions [{ inherit (entry) file value; }]).values; }) ordered;
    # Two declarations of such an option do not say how their lists would be joined.
    typeMerge = _: null;
    emptyValue = { value = [ ]; };
    nestedTypes = { inherit elemType; };
  };
in
types
