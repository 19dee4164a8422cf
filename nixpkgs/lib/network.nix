# IPv6 addresses.
{ lib }:
let
  inherit (builtins) elemAt filter genList head isString length match split stringLength substring;

  splitOn = text: sep: filter isString (split sep text);
  group = text: word:
    if match "[0-9A-Fa-f]{1,4}" word == null
    then throw "${text} is not a valid IPv6 address: `${word}' is not a group of one to four hexadecimal digits"
    else lib.fromHexString word;

  # Eight numbers of 16 bits.
  groups = text:
    let
      halves = splitOn text "::";
      parse = half: if half == "" then [ ] else map (group text) (splitOn half ":");
      left = parse (head halves);
      right = parse (elemAt halves 1);
      missing = 8 - length left - length right;
    in
    if length halves == 1 then
      (if length left == 8 then left else throw "${text} is not a valid IPv6 address: it has ${toString (length left)} groups")
    else if length halves == 2 && missing >= 1 then left ++ genList (_: 0) missing ++ right
    else throw "${text} is not a valid IPv6 address";

  hex = n: lib.toLower (lib.toHexString n);

  # RFC 5952: the first longest run of at least two zeros is `::`.
  show = numbers:
    let
      runAt = n: let go = k: if n + k < 8 && elemAt numbers (n + k) == 0 then go (k + 1) else k; in go 0;
      runs = genList (n: { start = n; count = runAt n; }) 8;
      longest = lib.foldl' (best: run: if run.count > best.count then run else best) { start = 0; count = 0; } runs;
      text = ns: lib.concatMapStringsSep ":" hex ns;
    in
    if longest.count < 2 then text numbers
    else "${text (lib.take longest.start numbers)}::${text (lib.drop (longest.start + longest.count) numbers)}";

  make = text:
    let
      parts = splitOn text "/";
      numbers = groups (head parts);
      prefixLength = if length parts == 1 then 128 else lib.toIntBase10 (elemAt parts 1);
      bits = n: group16: lib.bitAnd (elemAt numbers group16) (mask (n - 16 * group16));
      mask = n: if n >= 16 then 65535 else if n <= 0 then 0 else 65536 - pow2 (16 - n);
      pow2 = n: if n == 0 then 1 else 2 * pow2 (n - 1);
    in
    assert lib.assertMsg (length parts <= 2) "${text} is not a valid IPv6 address";
    assert lib.assertMsg (prefixLength >= 0 && prefixLength <= 128) "IPv6 subnet should be in range [0;128], got ${toString prefixLength}";
    {
      address = show numbers;
      inherit prefixLength;
      url = "[${show numbers}]";
      urlWithPort = port: "[${show numbers}]:${toString port}";
      _firstAddress = show (genList (bits prefixLength) 8);
    };
in
{
  ipv6 = {
    fromString = text: removeAttrs (make text) [ "_firstAddress" ] // { };

    # The lower half of an address from a hardware address.
    mkEUI64Suffix = mac:
      let
        bytes = map lib.fromHexString (splitOn (lib.toLower mac) "[-:]");
        flipped = lib.bitXor (head bytes) 2;
        all = [ flipped (elemAt bytes 1) (elemAt bytes 2) 255 254 (elemAt bytes 3) (elemAt bytes 4) (elemAt bytes 5) ];
        pair = n: (elemAt all (2 * n)) * 256 + elemAt all (2 * n + 1);
      in
      if length bytes != 6 then throw "\"${mac}\" is not a valid MAC address (expected 6 octets of hex digits)"
      else lib.concatMapStringsSep ":" (n: hex (pair n)) [ 0 1 2 3 ];
  };
}
