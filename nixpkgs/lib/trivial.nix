# Functions that need nothing else: logic, numbers, functions as values, warnings.
{ lib }:
let
  inherit (builtins)
    bitAnd bitOr bitXor elem filter foldl' fromJSON getEnv isAttrs isFunction length mapAttrs
    pathExists readFile stringLength substring tail head trace;

  hexDigits = {
    "0" = 0; "1" = 1; "2" = 2; "3" = 3; "4" = 4; "5" = 5; "6" = 6; "7" = 7; "8" = 8; "9" = 9;
    a = 10; b = 11; c = 12; d = 13; e = 14; f = 15;
    A = 10; B = 11; C = 12; D = 13; E = 14; F = 15;
  };
in
rec {
  inherit (builtins)
    add bitAnd bitOr bitXor ceil deepSeq div floor genericClosure isBool isFloat isInt lessThan
    mul pathExists readFile seq sub;

  id = x: x;
  const = x: _: x;
  pipe = foldl' (x: f: f x);
  concat = xs: ys: xs ++ ys;
  or = x: y: x || y;
  and = x: y: x && y;
  xor = x: y: x != y;
  bitNot = sub (-1);
  boolToString = b: if b then "true" else "false";
  boolToYesNo = b: if b then "yes" else "no";
  mergeAttrs = x: y: x // y;
  flip = f: a: b: f b a;
  defaultTo = default: value: if value == null then default else value;
  mapNullable = f: value: if value == null then null else f value;
  min = x: y: if x < y then x else y;
  max = x: y: if x > y then x else y;
  mod = base: divisor: base - divisor * (builtins.div base divisor);

  # -1, 0 or 1, as comparison functions of lists and sorts want it.
  compare = a: b: if a < b then -1 else if a > b then 1 else 0;

  # Elements for which `p` holds come first, in the order of `yes`; the others in that of `no`.
  splitByAndCompare = p: yes: no: a: b:
    if p a then (if p b then yes a b else -1)
    else if p b then 1
    else no a b;

  # What nixpkgs calls its release: the guide's examples are written against it.
  release = "24.11";
  oldestSupportedRelease = 2405;
  oldestSupportedReleaseIsAtLeast = number: number <= oldestSupportedRelease;
  isInOldestRelease = oldestSupportedReleaseIsAtLeast;
  codeName = "Vicuna";
  versionSuffix = "snowglobe";
  version = release + versionSuffix;
  nixpkgsVersion = version;
  revisionWithDefault = default: default;

  inNixShell = getEnv "IN_NIX_SHELL" != "";
  inPureEvalMode = !(builtins ? currentSystem);

  importJSON = path: fromJSON (readFile path);
  importTOML = path: fromTOML (readFile path);

  warn = builtins.warn;
  warnIf = condition: message: if condition then warn message else id;
  warnIfNot = condition: message: if condition then id else warn message;
  info = message: trace "INFO: ${message}";
  showWarnings = warnings: result: foldl' (acc: text: warn text acc) result warnings;

  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: message: if condition then id else throw message;

  checkListOfEnum = what: valid: given: result:
    let unknown = filter (value: !elem value valid) given; in
    if unknown == [ ] then result
    else throw "${what}: ${lib.concatStringsSep ", " (map toString unknown)} unexpected; valid ones: ${lib.concatStringsSep ", " (map toString valid)}";

  # A callable attribute set that says which arguments the function takes.
  setFunctionArgs = f: args: { __functor = _: f; __functionArgs = args; };

  functionArgs = f:
    if f ? __functor then f.__functionArgs or (functionArgs (f.__functor f))
    else builtins.functionArgs f;

  isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));

  mirrorFunctionArgs = f:
    let args = functionArgs f; in
    g: setFunctionArgs g args;

  toFunction = value: if isFunction value then value else _: value;

  toHexString = number:
    let digit = d: substring d 1 "0123456789ABCDEF";
    in lib.concatMapStrings digit (toBaseDigits 16 number);

  fromHexString = text:
    let
      digits = if substring 0 2 text == "0x" || substring 0 2 text == "0X"
        then substring 2 (stringLength text) text
        else text;
      value = c: hexDigits.${c} or (throw "fromHexString: `${text}' is not a hexadecimal number");
    in
    foldl' (acc: c: acc * 16 + value c) 0 (lib.stringToCharacters digits);

  # Digits of a natural number, most significant first.
  toBaseDigits = base: number:
    let
      go = n: if n < base then [ n ] else go (builtins.div n base) ++ [ (mod n base) ];
    in
    assert base >= 2; assert number >= 0;
    go number;
}
