# Declaring options, merging plain values, and showing options and definitions to people.
{ lib }:
let
  inherit (builtins) concatLists concatMap elemAt filter foldl' head isAttrs isBool isFunction isList isString length map mapAttrs match tail;
  inherit (lib) concatMapStringsSep concatStringsSep isType;
in
rec {
  isOption = isType "option";

  # All arguments are optional: default, defaultText, example, description, relatedPackages, type,
  # apply, internal, visible, readOnly.
  mkOption = attrs@{ default ? null, defaultText ? null, example ? null, description ? null
    , relatedPackages ? null, type ? null, apply ? null, internal ? null, visible ? null, readOnly ? null }:
    attrs // { _type = "option"; };

  mkEnableOption = name: mkOption {
    default = false;
    example = true;
    description = if name ? _type && name._type == "mdDoc" then name else "Whether to enable ${name}.";
    type = lib.types.bool;
  };

  # An option for a package of `pkgs`; `name` is its attribute path.
  mkPackageOption = pkgs: name: { nullable ? false, default ? name, example ? null, extraDescription ? "", pkgsText ? "pkgs" }:
    let
      words = if isList name then lib.last name else name;
      path = if isList default then default else [ default ];
      missing = throw "${concatStringsSep "." path} cannot be found in ${pkgsText}";
      value = lib.attrByPath path missing pkgs;
    in
    mkOption (
      {
        type = (if nullable then lib.types.nullOr else lib.id) lib.types.package;
        description = "The ${words} package to use."
          + lib.optionalString (extraDescription != "") " ${extraDescription}";
      }
      // lib.optionalAttrs (default != null) {
        default = value;
        defaultText = literalExpression "${pkgsText}.${lib.showAttrPath path}";
      }
      // lib.optionalAttrs (nullable && default == null) { default = null; }
      // lib.optionalAttrs (example != null) {
        # A list is a path in the package set, a text stands for itself.
        example = literalExpression (if isList example then "${pkgsText}.${lib.showAttrPath example}" else example);
      });

  mkSinkUndeclaredOptions = attrs: mkOption ({
    internal = true;
    visible = false;
    default = false;
    description = "Takes whatever is not declared.";
    type = lib.mkOptionType {
      name = "sink";
      description = "anything, ignored";
      check = _: true;
      merge = _: _: false;
    };
  } // attrs);

  # -- merging values --------------------------------------------------------------------------

  mergeDefaultOption = loc: defs:
    let values = getValues defs; in
    if length values == 1 then head values
    else if lib.all isFunction values then x: mergeDefaultOption loc (map (def: def // { value = def.value x; }) defs)
    else if lib.all isList values then concatLists values
    else if lib.all isAttrs values then foldl' lib.mergeAttrs { } values
    else if lib.all isBool values then foldl' (a: b: a || b) false values
    else if lib.all isString values then lib.concatStrings values
    else throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefsOf loc defs}";

  mergeOneOption = mergeUniqueOption { message = ""; };

  mergeUniqueOption = { message, merge ? null }:
    let combine = if merge == null then (_: defs: (head defs).value) else merge; in
    loc: defs:
      if length defs == 1 then combine loc defs
      else throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\n${message}${lib.optionalString (message != "") "\n"}Definition values:${showDefsOf loc defs}\n${prioritySuggestion}";

  mergeEqualOption = loc: defs:
    if defs == [ ] then abort "mergeEqualOption: no definition of `${showOption loc}'"
    else if tail defs == [ ] then (head defs).value
    else
      (foldl'
        (first: def:
          if def.value != first.value then
            throw "The option `${showOption loc}' has conflicting definition values:${showDefsOf loc [ first def ]}\n${prioritySuggestion}"
          else first)
        (head defs)
        (tail defs)).value;

  prioritySuggestion = "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.";

  getValues = map (x: x.value);
  getFiles = map (x: x.file);

  # -- text in documentation -------------------------------------------------------------------

  literalExpression = text:
    if !isString text then throw "literalExpression expects a string."
    else { _type = "literalExpression"; inherit text; };
  literalCode = { language ? "", content }: literalMD "```${language}\n${content}\n```";
  literalMD = text:
    if !isString text then throw "literalMD expects a string."
    else { _type = "literalMD"; inherit text; };
  mdDoc = text: text;

  scrubOptionValue = value:
    if lib.isDerivation value then value // { drvPath = value.name or "?"; outPath = value.name or "?"; }
    else if isList value then map scrubOptionValue value
    else if isAttrs value then mapAttrs (_: scrubOptionValue) (removeAttrs value [ "_args" ])
    else value;

  renderOptionValue = value:
    if value ? _type && value ? text then value
    else literalExpression (lib.generators.toPretty { multiline = true; allowPrettyValues = true; } value);

  # Every option of a tree as data: name, description, type, default, where it is declared.
  optionAttrSetToDocList = optionAttrSetToDocList' [ ];
  # `outer`: where the option is declared that these are inside of, for modules without a file.
  optionAttrSetToDocList' = outer: options:
    concatMap
      (option:
        let
          visible = option.visible or true;
          files = filter (file: file != unknownModule) (option.declarations or [ ]);
          declarations = if files == [ ] then outer else files;
          entry = {
            inherit (option) loc;
            name = showOption option.loc;
            description = let d = option.description or null; in if d ? text then d.text else d;
            inherit declarations;
            internal = option.internal or false;
            visible = if builtins.isBool visible then visible else visible == "shallow";
            readOnly = option.readOnly or false;
            type = option.type.description or "unspecified value";
          }
          // lib.optionalAttrs (option ? example) { example = renderOptionValue option.example; }
          // lib.optionalAttrs (option ? defaultText || option ? default) {
            default = renderOptionValue (option.defaultText or option.default);
          }
          // lib.optionalAttrs (option ? relatedPackages && option.relatedPackages != null) { inherit (option) relatedPackages; };
          below = option.type.getSubOptions option.loc;
          shown = if builtins.isBool visible then visible else visible == "transparent";
        in
        [ entry ] ++ lib.optionals (shown && below != { }) (optionAttrSetToDocList' declarations below))
      (lib.collect isOption options);

  # -- names and places in messages ------------------------------------------------------------

  showOption = parts:
    let
      # Placeholders such as `<name>` and `*` stand as they are.
      one = part:
        if match "<.*>|\\*" part != null then part else lib.strings.escapeNixIdentifier part;
    in
    concatMapStringsSep "." one parts;

  showFiles = files: concatMapStringsSep " and " (file: "`${file}'") files;

  # Where a definition stands: its file, with its line when the evaluator knows it.
  showPlace = name: def:
    let
      position = if def.parent or null == null then null else builtins.unsafeGetAttrPos name def.parent;
    in
    # Who names a file for a definition wants to read that name.
    if position == null || !(lib.hasPrefix position.file def.file) then def.file
    else "${position.file}:${toString position.line}${lib.removePrefix position.file def.file}";

  showDefs = showDefsOf [ ];
  showDefsOf = loc: defs: lib.concatMapStrings
    (def:
      let
        value =
          let v = builtins.addErrorContext "while evaluating a definition from `${def.file}'" (builtins.tryEval (shorten (lib.generators.toPretty { }
            (lib.generators.withRecursion { depthLimit = 10; throwOnDepthLimit = false; } def.value)))); in
          if v.success then v.value else "<error while printing the value>";
        lines = lib.splitString "\n" value;
        shorten = text: builtins.deepSeq text text;
        shown = lib.take 5 lines ++ lib.optional (length lines > 5) "...";
        name = if loc == [ ] then "" else lib.last loc;
      in
      "\n- In `${showPlace name def}': ${concatStringsSep "\n    " shown}")
    defs;

  showOptionWithDefLocs = option:
    let
      files = concatMapStringsSep "\n" (file: "      - ${file}") (map toString option.files);
    in
    "  ${showOption option.loc}, with values defined in:\n${files}\n";

  unknownModule = "<unknown-file>";
}
