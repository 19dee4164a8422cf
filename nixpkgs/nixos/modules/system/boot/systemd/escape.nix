# Names as `systemd-escape` makes them.
{ lib }:
let
  plain = lib.stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.";
  printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
  hex = lib.stringToCharacters "0123456789abcdef";
  # The code of a printable ASCII character; the language has no `ord`.
  codes = lib.listToAttrs (lib.imap0 (i: char: lib.nameValuePair char (i + 32)) (lib.stringToCharacters printable));
  code = char: "\\x${lib.elemAt hex (codes.${char} / 16)}${lib.elemAt hex (lib.mod codes.${char} 16)}";
  isPlain = lib.genAttrs plain (_: true);
  escape =
    text:
    lib.concatStrings (
      lib.imap0 (
        i: char:
        if char == "/" then
          "-"
        else if isPlain ? ${char} && !(i == 0 && char == ".") then
          char
        else if codes ? ${char} then
          code char
        else
          throw "'${text}' holds a character that is not ASCII, which cannot be escaped for a unit's name"
      ) (lib.stringToCharacters text)
    );
in
{
  inherit escape;
  path =
    path:
    let
      parts = lib.filter (part: part != "" && part != ".") (lib.splitString "/" (toString path));
    in
    if parts == [ ] then "-" else escape (lib.concatStringsSep "/" parts);
}
