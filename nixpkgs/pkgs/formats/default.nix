# `pkgs.formats`: for each format a type of option, and a file made of a value of that type. The
# text is computed while evaluating.
final: prev:
let
  inherit (prev) lib;
  inherit (lib) types;
  texts = import ./texts.nix { inherit lib; };
  generators = lib.generators;

  # Values as JSON knows them.
  tree =
    description: atoms:
    let
      value =
        types.nullOr (types.oneOf (atoms ++ [
          types.bool
          types.int
          types.float
          types.str
          types.path
          (types.attrsOf value)
          (types.listOf value)
        ]))
        // {
          inherit description;
        };
    in
    value;

  file = name: text: final.writeText name text;

  iniAtom = with types; nullOr (oneOf [ bool int float str ]) // { description = "INI atom (null, bool, int, float or string)"; };
  # With listsAsDuplicateKeys or listToValue an entry may be a list.
  iniEntry =
    { listsAsDuplicateKeys, listToValue, atomsCoercedToLists ? null }:
    if listsAsDuplicateKeys && listToValue != null then
      throw "formats.ini: listsAsDuplicateKeys and listToValue exclude each other"
    else if listsAsDuplicateKeys || listToValue != null then
      (
        if atomsCoercedToLists == true then
          types.coercedTo iniAtom lib.singleton (types.listOf iniAtom)
        else
          types.either iniAtom (types.listOf iniAtom)
      )
      // { description = "INI atom, or a list of them"; }
    else
      iniAtom;
  lists = listToValue: section: if listToValue == null then section else lib.mapAttrs (_: v: if builtins.isList v then listToValue v else v) section;

  raw = type: value: { _type = type; inherit value; };
in
{
  formats = {
    json = _: {
      type = tree "JSON value" [ ];
      generate = name: value: file name (builtins.toJSON value);
    };

    # JSON is YAML.
    yaml = _: {
      type = tree "YAML value" [ ];
      generate = name: value: file name (builtins.toJSON value);
    };
    yaml_1_1 = _: final.formats.yaml { };
    yaml_1_2 = _: final.formats.yaml { };

    toml = _: {
      type =
        let
          value =
            types.oneOf [
              types.bool
              types.int
              types.float
              types.str
              types.path
              (types.attrsOf value)
              (types.listOf value)
            ]
            // {
              description = "TOML value";
            };
        in
        value;
      generate = name: value: file name (texts.toml value);
    };

    ini =
      {
        listsAsDuplicateKeys ? false,
        listToValue ? null,
        atomsCoercedToLists ? null,
        ...
      }@args:
      {
        type = types.attrsOf (types.attrsOf (iniEntry { inherit listsAsDuplicateKeys listToValue atomsCoercedToLists; }));
        lib.types.atom = iniAtom;
        generate =
          name: value:
          file name (
            generators.toINI (removeAttrs args [ "listToValue" "atomsCoercedToLists" ]) (lib.mapAttrs (_: lists listToValue) value)
          );
      };

    iniWithGlobalSection =
      {
        listsAsDuplicateKeys ? false,
        listToValue ? null,
        atomsCoercedToLists ? null,
        ...
      }@args:
      let
        entry = iniEntry { inherit listsAsDuplicateKeys listToValue atomsCoercedToLists; };
      in
      {
        type = types.submodule {
          options = {
            sections = lib.mkOption {
              type = types.attrsOf (types.attrsOf entry);
              default = { };
              description = "Sections.";
            };
            globalSection = lib.mkOption {
              type = types.attrsOf entry;
              default = { };
              description = "Lines before the first section.";
            };
          };
        };
        lib.types.atom = iniAtom;
        generate =
          name:
          {
            sections ? { },
            globalSection ? { },
            ...
          }:
          file name (
            generators.toINIWithGlobalSection (removeAttrs args [ "listToValue" "atomsCoercedToLists" ]) {
              sections = lib.mapAttrs (_: lists listToValue) sections;
              globalSection = lists listToValue globalSection;
            }
          );
      };

    systemd = final.formats.ini { listsAsDuplicateKeys = true; };

    gitIni =
      {
        listsAsDuplicateKeys ? false,
        ...
      }:
      {
        type =
          let
            atom = iniEntry { inherit listsAsDuplicateKeys; listToValue = null; };
          in
          types.attrsOf (types.attrsOf (types.either atom (types.attrsOf atom)));
        lib.types.atom = iniAtom;
        generate = name: value: file name (generators.toGitINI value);
      };

    keyValue =
      {
        listsAsDuplicateKeys ? false,
        listToValue ? null,
        atomsCoercedToLists ? null,
        ...
      }@args:
      {
        type = types.attrsOf (iniEntry { inherit listsAsDuplicateKeys listToValue atomsCoercedToLists; });
        lib.types.atom = iniAtom;
        generate =
          name: value:
          file name (
            generators.toKeyValue (removeAttrs args [ "listToValue" "atomsCoercedToLists" ]) (lists listToValue value)
          );
      };

    libconfig = _: {
      type = tree "libconfig value" [ ];
      lib = {
        mkHex = raw "hex";
        mkOctal = raw "octal";
        mkFloat = raw "float";
        mkArray = raw "array";
        mkList = raw "list";
      };
      generate = name: value: file name (texts.libconfig value);
    };

    hocon = _: {
      type = tree "HOCON value" [ ];
      lib = {
        mkInclude = value: if builtins.isAttrs value && !(value ? outPath) then { required = false; type = "file"; } // value else { inherit value; required = false; type = "file"; };
        mkAppend = raw "append";
        mkSubstitution = value: if builtins.isAttrs value then { _type = "substitution"; required = true; } // value else { _type = "substitution"; required = true; inherit value; };
      };
      generate = name: value: file name (texts.hocon value);
    };

    javaProperties = { comment ? "", boolToString ? lib.boolToString }: {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.int types.float types.str types.path ]));
      generate =
        name: value:
        file name (
          lib.optionalString (comment != "") (lib.concatMapStrings (line: "# ${line}\n") (lib.splitString "\n" comment))
          + texts.properties (lib.mapAttrs (_: v: if builtins.isBool v then boolToString v else v) (lib.filterAttrs (_: v: v != null) value))
        );
    };

    elixirConf = { elixir ? null }: {
      type = types.attrsOf (types.attrsOf (tree "Elixir value" [ ]));
      lib =
        let
          typed = kind: value: { _elixirType = kind; inherit value; };
        in
        {
          mkRaw = typed "raw";
          mkAtom = typed "atom";
          mkTuple = typed "tuple";
          mkMap = typed "map";
          mkGetEnv = typed "getEnv";
        };
      generate = name: value: file name (texts.elixirConfig null value);
    };

    lua =
      {
        asBindings ? false,
        multiline ? true,
        columnWidth ? 100,
        indentWidth ? 2,
        indentUsingTabs ? false,
      }:
      {
        type = tree "Lua value" [ ];
        lib.mkRaw = generators.mkLuaInline;
        generate =
          name: value:
          file name (
            if asBindings then
              lib.concatStrings (lib.mapAttrsToList (k: v: "${k} = ${texts.lua v}\n") value)
            else
              "return ${texts.lua value}\n"
          );
      };

    pythonVars = _: {
      type = types.attrsOf (tree "Python value" [ ]);
      lib.mkRaw = raw "raw";
      generate = name: value: file name (texts.pythonVars value);
    };

    php = { finalVariable ? null }: {
      type = tree "PHP value" [ ];
      lib = {
        mkRaw = raw "raw";
        mkMixedArray = list: set: { _phpType = "mixed_array"; value = { inherit list set; }; };
      };
      generate = name: value: file name (texts.php finalVariable value);
    };

    xml =
      {
        format ? "badgerfish",
        withHeader ? true,
      }:
      {
        type = tree "XML value" [ ];
        generate = name: value: file name (texts.xml withHeader value);
      };
  };
}
