# Values as texts, for formats that lib.generators does not have.
{ lib }:
let
  inherit (builtins) isAttrs isBool isFloat isInt isList isString toJSON;

  # A float with a point, as languages with integers want it.
  float =
    value:
    let
      text = toJSON value;
    in
    if builtins.match "-?[0-9]+" text != null then text + ".0" else text;

  indent = depth: lib.concatStrings (builtins.genList (_: "  ") depth);

  # ---- TOML ----

  tomlKey = key: if builtins.match "[A-Za-z0-9_-]+" key != null then key else toJSON key;
  tomlPath = lib.concatMapStringsSep "." tomlKey;
  isTable = value: isAttrs value && !(value ? outPath);
  isTables = value: isList value && value != [ ] && builtins.all isTable value;

  tomlInline =
    path: value:
    if value == null then
      throw "TOML has no null: ${tomlPath path}"
    else if isBool value then
      lib.boolToString value
    else if isInt value then
      toString value
    else if isFloat value then
      float value
    else if isList value then
      "[" + lib.concatMapStringsSep ", " (tomlInline path) value + "]"
    else if isTable value then
      "{ " + lib.concatStringsSep ", " (lib.mapAttrsToList (k: v: "${tomlKey k} = ${tomlInline (path ++ [ k ]) v}") value) + " }"
    else
      # Strings of JSON are strings of TOML, except that TOML has no \/.
      toJSON "${value}";

  tomlTable =
    path: table:
    let
      names = builtins.attrNames table;
      plain = builtins.filter (k: !(isTable table.${k}) && !(isTables table.${k})) names;
      nested = builtins.filter (k: isTable table.${k} || isTables table.${k}) names;
      below = k: path ++ [ k ];
    in
    lib.concatMapStrings (k: "${tomlKey k} = ${tomlInline (below k) table.${k}}\n") plain
    + lib.concatMapStrings (
      k:
      if isTable table.${k} then
        "\n[${tomlPath (below k)}]\n" + tomlTable (below k) table.${k}
      else
        lib.concatMapStrings (item: "\n[[${tomlPath (below k)}]]\n" + tomlTable (below k) item) table.${k}
    ) nested;

  # ---- libconfig ----

  libconfig =
    depth: value:
    if isAttrs value && value ? _type && value._type == "float" then
      value.value
    else if isAttrs value && value ? _type && (value._type == "hex" || value._type == "octal") then
      value.value
    else if isAttrs value && value ? _type && value._type == "array" then
      "[ " + lib.concatMapStringsSep ", " (libconfig depth) value.value + " ]"
    else if isAttrs value && value ? _type && value._type == "list" then
      "( " + lib.concatMapStringsSep ", " (libconfig depth) value.value + " )"
    else if isBool value then
      lib.boolToString value
    else if isInt value then
      toString value
    else if isFloat value then
      float value
    else if isList value then
      "( " + lib.concatMapStringsSep ", " (libconfig depth) value + " )"
    else if isTable value then
      "{\n" + libconfigSettings (depth + 1) value + indent depth + "}"
    else
      toJSON "${value}";
  libconfigSettings =
    depth: table:
    lib.concatStrings (
      lib.mapAttrsToList (
        key: value: if key == "_includes" then "" else "${indent depth}${key} = ${libconfig depth value};\n"
      ) table
    )
    + lib.concatMapStrings (file: "${indent depth}@include \"${file}\"\n") (table._includes or [ ]);

  # ---- HOCON ----

  hocon =
    value:
    if isAttrs value && value._type or null == "append" then
      throw "hocon: an append stands only at a key"
    else if isAttrs value && value._type or null == "unquoted_string" then
      value.value
    else if isAttrs value && value._type or null == "substitution" then
      "\${${lib.optionalString (!(value.required or true)) "?"}${value.value}}"
    else if isList value then
      "[" + lib.concatMapStringsSep ", " hocon value + "]"
    else if isTable value then
      "{\n" + hoconObject value + "}"
    else
      toJSON value;
  hoconObject =
    table:
    lib.concatStrings (
      lib.mapAttrsToList (
        key: value:
        if key == "_includes" then
          lib.concatMapStrings (
            include:
            if isString include || builtins.isPath include then
              "include required(file(${toJSON "${include}"}))\n"
            else
              "include ${if include.required or false then "required(${include.type or "file"}(${toJSON "${include.value}"}))" else "${include.type or "file"}(${toJSON "${include.value}"})"}\n"
          ) value
        else if isAttrs value && value._type or null == "append" then
          "${toJSON key} += ${hocon value.value}\n"
        else
          "${toJSON key} = ${hocon value}\n"
      ) table
    );

  # ---- Java properties ----

  propertiesEscape =
    isKey: text:
    builtins.replaceStrings
      (
        [ "\\" "\n" "\r" "\t" ]
        ++ lib.optionals isKey [
          " "
          ":"
          "="
          "#"
          "!"
        ]
      )
      (
        [ "\\\\" "\\n" "\\r" "\\t" ]
        ++ lib.optionals isKey [
          "\\ "
          "\\:"
          "\\="
          "\\#"
          "\\!"
        ]
      )
      text;

  # ---- Elixir ----

  elixir =
    depth: value:
    if isAttrs value && value ? _elixirType then
      let
        inner = value.value;
      in
      {
        raw = inner;
        atom = inner;
        tuple = "{${lib.concatMapStringsSep ", " (elixir depth) inner}}";
        map = "%{${lib.concatStringsSep ", " (lib.mapAttrsToList (k: v: "${toJSON k} => ${elixir depth v}") inner)}}";
        getEnv = "System.get_env(${toJSON inner.envVariable}${lib.optionalString (inner.fallback or null != null) ", ${elixir depth inner.fallback}"})";
      }
      .${value._elixirType}
    else if value == null then
      "nil"
    else if isBool value then
      lib.boolToString value
    else if isInt value then
      toString value
    else if isFloat value then
      float value
    else if isList value then
      "[${lib.concatMapStringsSep ", " (elixir depth) value}]"
    else if isTable value then
      if value == { } then "[]" else "[${elixirKeywords depth value}]"
    else
      builtins.replaceStrings [ "#{" ] [ "\\#{" ] (toJSON "${value}");
  elixirAtom = key: if builtins.match "[a-zA-Z_][a-zA-Z0-9_]*[?!]?" key != null then key else toJSON key;
  atomName = key: ":${elixirAtom (lib.removePrefix ":" key)}";
  elixirKeywords =
    depth: table: lib.concatStringsSep ", " (lib.mapAttrsToList (k: v: "${elixirAtom (lib.removePrefix ":" k)}: ${elixir depth v}") table);

  # ---- Lua ----

  lua =
    depth: value:
    if isAttrs value && value._type or null == "lua-inline" then
      "(${value.expr})"
    else if value == null then
      "nil"
    else if isBool value then
      lib.boolToString value
    else if isInt value || isFloat value then
      toJSON value
    else if isList value then
      "{ ${lib.concatMapStringsSep ", " (lua depth) value} }"
    else if isTable value then
      "{\n"
      + lib.concatStrings (
        lib.mapAttrsToList (k: v: "${indent (depth + 1)}[${toJSON k}] = ${lua (depth + 1) v},\n") value
      )
      + indent depth
      + "}"
    else
      toJSON "${value}";

  # ---- Python ----

  python =
    value:
    if isAttrs value && value._imports or null != null then
      throw "pythonVars: _imports stands at the top only"
    else if isAttrs value && value._type or null == "raw" then
      value.value
    else if value == null then
      "None"
    else if isBool value then
      (if value then "True" else "False")
    else if isInt value then
      toString value
    else if isFloat value then
      float value
    else if isList value then
      "[${lib.concatMapStringsSep ", " python value}]"
    else if isTable value then
      "{${lib.concatStringsSep ", " (lib.mapAttrsToList (k: v: "${toJSON k}: ${python v}") value)}}"
    else
      toJSON "${value}";

  # ---- PHP ----

  php =
    value:
    if isAttrs value && value._phpType or null == "raw" || isAttrs value && value._type or null == "raw" then
      value.value
    else if isAttrs value && value._phpType or null == "mixed_array" then
      "[${
        lib.concatStringsSep ", " (
          map php value.value.list ++ lib.mapAttrsToList (k: v: "${php k} => ${php v}") value.value.set
        )
      }]"
    else if value == null then
      "null"
    else if isBool value then
      lib.boolToString value
    else if isInt value then
      toString value
    else if isFloat value then
      float value
    else if isList value then
      "[${lib.concatMapStringsSep ", " php value}]"
    else if isTable value then
      "[${lib.concatStringsSep ", " (lib.mapAttrsToList (k: v: "${php k} => ${php v}") value)}]"
    else
      "'${builtins.replaceStrings [ "\\" "'" ] [ "\\\\" "\\'" ] "${value}"}'";

  # ---- XML, in BadgerFish notation: "@name" is an attribute, "$" the text ----

  xmlEscape = builtins.replaceStrings [ "&" "<" ">" "\"" ] [ "&amp;" "&lt;" "&gt;" "&quot;" ];
  xmlText = value: xmlEscape (if isBool value then lib.boolToString value else toString value);
  xmlElement =
    name: value:
    if isList value then
      lib.concatMapStrings (xmlElement name) value
    else if isTable value then
      let
        names = builtins.attrNames value;
        attributes = builtins.filter (lib.hasPrefix "@") names;
        children = builtins.filter (k: !(lib.hasPrefix "@" k) && k != "$") names;
        head = name + lib.concatMapStrings (k: " ${lib.removePrefix "@" k}=\"${xmlText value.${k}}\"") attributes;
        inner = lib.optionalString (value ? "$") (xmlText value."$") + lib.concatMapStrings (k: xmlElement k value.${k}) children;
      in
      if inner == "" then "<${head}/>" else "<${head}>${inner}</${name}>"
    else if value == null then
      "<${name}/>"
    else
      "<${name}>${xmlText value}</${name}>";
in
{
  toml = tomlTable [ ];
  libconfig = libconfigSettings 0;
  hocon = hoconObject;
  properties =
    table:
    lib.concatStrings (
      lib.mapAttrsToList (
        k: v: "${propertiesEscape true k}=${propertiesEscape false (if isBool v then lib.boolToString v else toString v)}\n"
      ) table
    );
  elixirConfig =
    rootKey: table:
    "import Config\n\n"
    + lib.concatStrings (
      lib.mapAttrsToList (
        application: keys:
        lib.concatStrings (
          lib.mapAttrsToList (
            key: value:
            if key == "_imports" then
              ""
            else if isTable value && !(value ? _elixirType) then
              "config ${atomName application}, ${if builtins.match "[A-Z].*" key != null then key else atomName key}, ${elixirKeywords 0 value}\n"
            else
              "config ${atomName application}, ${elixirAtom (lib.removePrefix ":" key)}: ${elixir 0 value}\n"
          ) keys
        )
      ) (if rootKey == null then table else { ${rootKey} = table; })
    );
  lua = lua 0;
  pythonVars =
    table:
    lib.concatMapStrings (module: "import ${module}\n") (table._imports or [ ])
    + lib.concatStrings (lib.mapAttrsToList (k: v: "${k} = ${python v}\n") (removeAttrs table [ "_imports" ]));
  php = finalVariable: value: "<?php\ndeclare(strict_types=1);\n${if finalVariable == null then "return ${php value}" else "$" + "${finalVariable} = ${php value}"};\n";
  xml = withHeader: table: lib.optionalString withHeader "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + lib.concatStrings (lib.mapAttrsToList xmlElement table) + "\n";
}
