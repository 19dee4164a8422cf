# Names of units from paths, and arguments of `ExecStart=`.
{ lib }:
let
  inherit (builtins) concatStringsSep elem filter genList isAttrs isFloat isInt isList isPath isString match replaceStrings split stringLength substring toJSON;
  plain = lib.stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_";
  hex = c: "\\x${lib.fixedWidthString 2 "0" (lib.toLower (lib.toHexString (lib.strings.charToInt c)))}";
in
rec {
  # As `systemd-escape --path`.
  escapeSystemdPath = path:
    let
      parts = filter (part: isString part && part != "" && part != ".") (split "/" "${path}");
      joined = concatStringsSep "/" parts;
      first = substring 0 1 joined;
      character = c:
        if c == "/" then "-" else if elem c plain || c == "." then c else hex c;
      text = lib.concatStrings (lib.imap0
        (n: c: if n == 0 && c == "." then hex c else character c)
        (lib.stringToCharacters joined));
    in
    if elem ".." parts then throw "escapeSystemdPath: `${path}' must not contain `..'"
    else if joined == "" then "-"
    else text;

  # One argument, so that systemd neither splits it nor expands anything in it.
  escapeSystemdExecArg = argument:
    let
      text =
        if isPath argument || isAttrs argument then "${argument}"
        else if isString argument then argument
        else if isInt argument || isFloat argument then toString argument
        else throw "escapeSystemdExecArg only allows strings, paths, numbers and derivations";
    in
    replaceStrings [ "%" "$" ] [ "%%" "$$" ] (toJSON text);
  escapeSystemdExecArgs = lib.concatMapStringsSep " " escapeSystemdExecArg;
}
