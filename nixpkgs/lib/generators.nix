# Values as text in other formats.
{ lib }:
let
  inherit (builtins) attrNames concatStringsSep head isAttrs isBool isFloat isInt isList isPath isString length mapAttrs replaceStrings toJSON;
  inherit (lib) concatMapStringsSep escape optionalString;

  unsupported = what: value: throw "generators.${what}: a value of type ${builtins.typeOf value} has no form there: ${toPretty { multiline = false; } value}";

  mkValueStringDefault = { }: value:
    if isInt value then toString value
    else if lib.isDerivation value then toString value
    else if isString value then value
    else if value == true then "true"
    else if value == false then "false"
    else if value == null then "null"
    else if isFloat value then lib.strings.floatToString value
    else if isPath value then toString value
    else unsupported "mkValueStringDefault" value;

  mkKeyValueDefault = { mkValueString ? mkValueStringDefault { } }: sep: key: value:
    "${escape [ sep ] key}${sep}${mkValueString value}";

  toKeyValue = { mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false, indent ? "" }:
    let
      line = key: value: indent + mkKeyValue key value + "\n";
      lines = key: value: map (line key) (if listsAsDuplicateKeys && isList value then value else [ value ]);
    in
    attrs: lib.concatStrings (lib.concatLists (lib.mapAttrsToList lines attrs));

  toINI = { mkSectionName ? escape [ "[" "]" ], mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false }: sections:
    let
      section = name: values: "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } values;
    in
    concatStringsSep "\n" (lib.mapAttrsToList section sections);

  toINIWithGlobalSection = { mkSectionName ? escape [ "[" "]" ], mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false }:
    { globalSection, sections ? { } }:
    (if globalSection == { } then ""
    else toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } globalSection + "\n")
    + toINI { inherit mkSectionName mkKeyValue listsAsDuplicateKeys; } sections;

  # Sections of sections become `[section "sub"]`, as git reads them.
  toGitINI = attrs:
    let
      sectionName = name:
        let
          parts = lib.splitString "." name;
          section = head parts;
          rest = concatStringsSep "." (lib.tail parts);
        in
        if rest == "" then name else "${section} \"${rest}\"";
      gitValue = value:
        let text = toString value; in
        if isBool value then lib.boolToString value
        else if isString value then "\"${replaceStrings [ "\"" "\\" "\n" "\t" "\b" ] [ "\\\"" "\\\\" "\\n" "\\t" "\\b" ] value}\""
        else text;
      keyValue = key: value: "\t" + mkKeyValueDefault { mkValueString = gitValue; } " = " key value;
      # Depth-first to one level: { "a.b" = { key = value; }; }
      flat = path: value:
        if isAttrs value && !lib.isDerivation value then
          let
            leaves = lib.filterAttrs (_: v: !(isAttrs v && !lib.isDerivation v)) value;
            sets = lib.filterAttrs (_: v: isAttrs v && !lib.isDerivation v) value;
          in
          lib.optional (leaves != { } && path != [ ]) { name = concatStringsSep "." path; value = leaves; }
          ++ lib.concatLists (lib.mapAttrsToList (name: flat (path ++ [ name ])) sets)
        else [ ];
    in
    toINI
      {
        mkSectionName = sectionName;
        mkKeyValue = key: value:
          if isList value then concatMapStringsSep "\n" (keyValue key) value else keyValue key value;
      }
      (lib.listToAttrs (flat [ ] attrs));

  mkDconfKeyValue = mkKeyValueDefault { mkValueString = v: toString (lib.gvariant.mkValue v); } "=";
  toDconfINI = toINI { mkKeyValue = mkDconfKeyValue; };

  # Replaces what lies deeper than the limit, so that printing a cyclic value ends.
  withRecursion = { depthLimit, throwOnDepthLimit ? true }:
    assert isInt depthLimit;
    let
      special = [ "__functor" "__functionArgs" "__toString" "__pretty" ];
      transform = depth:
        if depthLimit != null && depth > depthLimit then
          (if throwOnDepthLimit
          then throw "Exceeded maximum eval-depth limit of ${toString depthLimit} while trying to evaluate with `generators.withRecursion'!"
          else lib.const "<unevaluated>")
        else lib.id;
      map' = depth: value:
        let next = x: map' (depth + 1) (transform (depth + 1) x); in
        if isAttrs value then
          mapAttrs (name: x: if lib.elem name special then x else next x) value
        else if isList value then map next value
        else transform (depth + 1) value;
    in
    map' 0;

  # Nix syntax, as far as a value has one.
  toPretty = { allowPrettyValues ? false, multiline ? true, indent ? "" }@args:
    let
      go = indent: value:
        let
          break = if multiline then "\n${indent}  " else " ";
          end = if multiline then "\n${indent}" else " ";
        in
        if isInt value then toString value
        else if isFloat value then builtins.toJSON value
        else if isString value then
          (let
            lines = lib.filter (part: !isList part) (builtins.split "\n" value);
            escaped = escape' [ "$" ] value;
            escapeMultiline = replaceStrings [ "\${" "''" ] [ "''\${" "'''" ];
            last = lib.last lines;
            body = concatStringsSep break (map escapeMultiline (if last == "" then lib.init lines else lines));
          in
          if multiline && length lines > 1
          then "''" + break + body + (if last == "" then end else "") + "''"
          else lib.strings.escapeNixString value)
        else if value == true then "true"
        else if value == false then "false"
        else if value == null then "null"
        else if isPath value then toString value
        else if isList value then
          (if value == [ ] then "[ ]"
          else "[" + break + lib.concatMapStringsSep break (go (indent + "  ")) value + end + "]")
        else if lib.isFunction value then
          (let
            fna = lib.functionArgs value;
            shown = concatStringsSep ", " (lib.mapAttrsToList (name: optional: if optional then name + "?" else name) fna);
          in
          if fna == { } then "<function>" else "<function, args: {${shown}}>")
        else if isAttrs value then
          (if allowPrettyValues && value ? __pretty && value ? val then value.__pretty value.val
          else if value == { } then "{ }"
          else if value ? type && value.type == "derivation" then "<derivation ${value.name or "???"}>"
          else
            "{" + break
            + concatStringsSep break (lib.mapAttrsToList
              (name: x: "${lib.strings.escapeNixIdentifier name} = ${
                builtins.addErrorContext "while evaluating an attribute `${name}'" (go (indent + "  ") x)};")
              value)
            + end + "}")
        else abort "generators.toPretty: a value of unknown type";
      escape' = escape;
    in
    go indent;

  toLua = { multiline ? true, indent ? "", asBindings ? false }@args: value:
    let
      inner = "${indent}  ";
      innerArgs = args // { indent = if asBindings then indent else inner; asBindings = false; };
      join = if multiline then ",\n${inner}" else ", ";
      open = if multiline then "{\n${inner}" else "{ ";
      close = if multiline then "\n${indent}}" else " }";
      bindings = lib.mapAttrsToList (name: v: "${indent}${name} = ${toLua innerArgs v}\n") value;
      key = name: "[${toJSON name}] = ";
    in
    if asBindings then
      (let bad = lib.filter (name: builtins.match "[a-zA-Z_][.a-zA-Z0-9_]*" name == null) (attrNames value); in
      if bad == [ ] then lib.concatStrings bindings
      else throw "generators.toLua: `${head bad}' is not a valid Lua name")
    else if value == null then "nil"
    else if isInt value || isFloat value || isString value || isBool value then toJSON value
    else if isPath value || lib.isDerivation value then toJSON "${value}"
    else if isList value then
      (if value == [ ] then "{}" else open + concatMapStringsSep join (toLua innerArgs) value + close)
    else if isAttrs value then
      (if value._type or null == "lua-inline" then "(${value.expr})"
      else if value == { } then "{}"
      else open + concatStringsSep join (lib.mapAttrsToList (name: v: key name + toLua innerArgs v) value) + close)
    else unsupported "toLua" value;

  mkLuaInline = expr: { _type = "lua-inline"; inherit expr; };

  toPlist = { escape ? false }: value:
    let
      text = if escape then lib.escapeXML else lib.id;
      go = indent: x:
        if x == null then ""
        else if isBool x then indent + (if x then "<true/>" else "<false/>")
        else if isInt x then "${indent}<integer>${toString x}</integer>"
        else if isString x then "${indent}<string>${text x}</string>"
        else if isList x then "${indent}<array>\n${lines indent (map (go "\t${indent}") x)}${indent}</array>"
        else if isAttrs x && !lib.isDerivation x then
          "${indent}<dict>\n${lines indent (lib.concatLists (lib.mapAttrsToList
            (name: v: lib.optionals (v != null) [ "${indent}\t<key>${text name}</key>" (go "\t${indent}" v) ]) x))}${indent}</dict>"
        else if isPath x || lib.isDerivation x then "${indent}<string>${text (toString x)}</string>"
        else if isFloat x then "${indent}<real>${toString x}</real>"
        else unsupported "toPlist" x;
      lines = _: parts: lib.concatMapStrings (part: part + "\n") (lib.filter (part: part != "") parts);
    in
    ''
      <?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
      <plist version="1.0">
      ${go "" value}
      </plist>'';

  toDhall = { }@args: value:
    if isAttrs value then
      "{ ${concatStringsSep ", " (lib.mapAttrsToList (name: v: "${name} = ${toDhall args v}") value)} }"
    else if isList value then "[ ${concatMapStringsSep ", " (toDhall args) value} ]"
    else if isInt value then (if value < 0 then "" else "+") + toString value
    else if isBool value then (if value then "True" else "False")
    else if lib.isFunction value then abort "generators.toDhall: cannot convert a function to Dhall"
    else if value == null then abort "generators.toDhall: cannot convert a null to Dhall"
    else toJSON value;
in
{
  inherit mkDconfKeyValue mkKeyValueDefault mkLuaInline mkValueStringDefault toDconfINI toDhall
    toGitINI toINI toINIWithGlobalSection toKeyValue toLua toPlist toPretty withRecursion;
  toJSON = { }: builtins.toJSON;
  # JSON is YAML.
  toYAML = { }: builtins.toJSON;
}
