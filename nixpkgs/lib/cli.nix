# Command lines from attribute sets.
{ lib }:
let
  inherit (builtins) isBool isList stringLength;
in
rec {
  toGNUCommandLineShell = options: attrs: lib.escapeShellArgs (toGNUCommandLine options attrs);

  # `{ x = true; name = "v"; list = [ 1 2 ]; }` to `-x --name v --list 1 --list 2`.
  toGNUCommandLine =
    { mkOptionName ? (name: if stringLength name == 1 then "-${name}" else "--${name}")
    , mkBool ? (name: value: lib.optional value (mkOptionName name))
    , mkList ? (name: value: lib.concatMap (mkOption name) value)
    , mkOption ? (name: value:
        if value == null then [ ]
        else if optionValueSeparator == null then [ (mkOptionName name) (lib.generators.mkValueStringDefault { } value) ]
        else [ "${mkOptionName name}${optionValueSeparator}${lib.generators.mkValueStringDefault { } value}" ])
    , optionValueSeparator ? null
    }:
    options:
    let
      render = name: value:
        if isBool value then mkBool name value
        else if isList value then mkList name value
        else mkOption name value;
    in
    lib.concatLists (lib.mapAttrsToList render options);

  # `optionFormat name` says how an option is written: `{ option; sep; explicitBool; formatArg?; }`.
  toCommandLine = optionFormat: attrs:
    let
      render = name: value:
        let
          format = optionFormat name;
          formatArg = format.formatArg or (lib.generators.mkValueStringDefault { });
          text = formatArg value;
        in
        if isList value then lib.concatMap (render name) value
        else if value == null then [ ]
        else if isBool value && !format.explicitBool then lib.optional value format.option
        else if format.sep == null then [ format.option text ]
        else [ "${format.option}${format.sep}${text}" ];
    in
    lib.concatLists (lib.mapAttrsToList render attrs);
  toCommandLineShell = optionFormat: attrs: lib.escapeShellArgs (toCommandLine optionFormat attrs);

  gnuFormat = { isLong ? (name: stringLength name > 1), explicitBool ? false, formatArg ? lib.generators.mkValueStringDefault { } }: name: {
    option = if isLong name then "--${name}" else "-${name}";
    sep = if isLong name then "=" else "";
    inherit explicitBool formatArg;
  };
  toCommandLineGNU = options: toCommandLine (gnuFormat options);
  toCommandLineShellGNU = options: attrs: lib.escapeShellArgs (toCommandLineGNU options attrs);
}
