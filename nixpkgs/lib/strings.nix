# Strings.
{ lib }:
let
  inherit (builtins)
    attrNames concatLists concatMap elem elemAt filter foldl' genList head isAttrs isBool isFloat
    isInt isList isPath isString length listToAttrs map mapAttrs match replaceStrings split
    stringLength substring tail toJSON;
  inherit (lib) concatMapStringsSep optionalString;

  # All bytes from 1 to 127 that a Nix string can hold, with their codes.
  printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
  codes =
    listToAttrs (genList (n: { name = substring n 1 printable; value = 32 + n; }) (stringLength printable))
    // { "\t" = 9; "\n" = 10; "\r" = 13; };

  lowerLetters = stringToCharacters' "abcdefghijklmnopqrstuvwxyz";
  upperLetters = stringToCharacters' "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  stringToCharacters' = text: genList (n: substring n 1 text) (stringLength text);

  featureFlag = yes: no: condition: feature:
    assert isString feature;
    "--${if condition then yes else no}-${feature}";
in
rec {
  inherit (builtins)
    compareVersions elem elemAt filter fromJSON genList head isAttrs isInt isList isPath isString
    length match parseDrvName readFile replaceStrings split storeDir stringLength substring tail
    toJSON typeOf unsafeDiscardStringContext;
  appendContext = builtins.appendContext;

  # -- joining ---------------------------------------------------------------------------------

  concatStringsSep = builtins.concatStringsSep;
  concatStrings = builtins.concatStringsSep "";
  join = concatStringsSep;
  concatMapStrings = f: xs: concatStrings (map f xs);
  concatImapStrings = f: xs: concatStrings (lib.imap1 f xs);
  concatMapStringsSep = sep: f: xs: concatStringsSep sep (map f xs);
  concatImapStringsSep = sep: f: xs: concatStringsSep sep (lib.imap1 f xs);
  concatMapAttrsStringSep = sep: f: attrs: concatStringsSep sep (lib.mapAttrsToList f attrs);
  concatLines = concatMapStrings (line: line + "\n");
  intersperse = separator: xs:
    if length xs < 2 then xs
    else tail (concatMap (x: [ separator x ]) xs);
  replicate = n: text: concatStrings (lib.lists.replicate n text);
  optionalString = condition: text: if condition then text else "";

  makeSearchPath = directory: packages:
    concatStringsSep ":" (map (pkg: "${pkg}/${directory}") (filter (pkg: pkg != null) packages));
  makeSearchPathOutput = output: directory: packages:
    makeSearchPath directory (map (lib.getOutput output) packages);
  makeLibraryPath = packages: makeSearchPath "lib" (map lib.getLib packages);
  makeIncludePath = packages: makeSearchPath "include" (map lib.getInclude packages);
  makeBinPath = makeSearchPathOutput "bin" "bin";

  # -- looking ---------------------------------------------------------------------------------

  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix = suffix: text:
    let
      whole = stringLength text;
      part = stringLength suffix;
    in
    whole >= part && substring (whole - part) whole text == suffix;
  hasInfix = infix: text:
    # One pass of the evaluator's own; it changes something exactly when `infix` is there.
    let whole = "${text}"; part = toString infix; in
    part == "" || replaceStrings [ part ] [ "" ] whole != whole;

  removePrefix = prefix: text:
    if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix = suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;

  commonPrefixLength = a: b:
    let
      shorter = lib.min (stringLength a) (stringLength b);
      go = n: if n < shorter && substring n 1 a == substring n 1 b then go (n + 1) else n;
    in
    go 0;
  commonSuffixLength = a: b:
    let
      shorter = lib.min (stringLength a) (stringLength b);
      at = n: text: substring (stringLength text - n - 1) 1 text;
      go = n: if n < shorter && at n a == at n b then go (n + 1) else n;
    in
    go 0;

  # -- characters ------------------------------------------------------------------------------

  stringToCharacters = stringToCharacters';
  stringAsChars = f: text: concatStrings (map f (stringToCharacters text));
  charToInt = c: codes.${c} or (throw "charToInt: `${c}' is not an ASCII character");
  lowerChars = lowerLetters;
  upperChars = upperLetters;
  toLower = replaceStrings upperLetters lowerLetters;
  toUpper = replaceStrings lowerLetters upperLetters;
  toSentenceCase = text:
    if !isString text then throw "toSentenceCase: expected a string, got ${builtins.typeOf text}"
    else if text == "" then "" else toUpper (substring 0 1 text) + toLower (substring 1 (-1) text);
  toCamelCase = text:
    if !isString text then throw "toCamelCase: expected a string, got ${builtins.typeOf text}"
    else
      let
        # A capital letter inside a word begins a new one.
        words = concatMap
          (word: map (part: if isList part then head part else part)
            (filter (part: part != "") (split "([A-Z][^A-Z]*)" word)))
          (filter (part: isString part && part != "") (split "[ _-]" text));
      in
      concatStrings (lib.imap0 (n: word: if n == 0 then toLower word else toSentenceCase word) words);
  replaceString = from: to: replaceStrings [ from ] [ to ];

  trim = trimWith { start = true; end = true; };
  trimWith = { start ? false, end ? false }: text:
    let
      blank = " \t\r\n";
      regex =
        if start && end then "[${blank}]*(.*[^${blank}])[${blank}]*"
        else if start then "[${blank}]*(.*)"
        else if end then "(.*[^${blank}])[${blank}]*"
        else "(.*)";
      found = match regex text;
    in
    if found == null then "" else head found;

  # -- quoting ---------------------------------------------------------------------------------

  escape = characters: replaceStrings characters (map (c: "\\" + c) characters);
  escapeC = characters:
    replaceStrings characters
      (map (c: "\\x${fixedWidthString 2 "0" (toLower (lib.toHexString (charToInt c)))}") characters);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeURL =
    let
      plain = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
      special = removeAttrs codes plain;
      encode = c: "%${fixedWidthString 2 "0" (lib.toHexString codes.${c})}";
    in
    replaceStrings (attrNames special) (map encode (attrNames special));
  escapeShellArg = argument:
    let text = toString argument; in
    if match "[[:alnum:],._+:@%/-]+" text == null
    then "'${replaceStrings [ "'" ] [ "'\\''" ] text}'"
    else text;
  escapeShellArgs = arguments: concatMapStringsSep " " escapeShellArg arguments;
  escapeNixString = text: escape [ "$" ] (toJSON text);
  escapeNixIdentifier = name:
    if match "[a-zA-Z_][a-zA-Z0-9_'-]*" name != null
      && !elem name [ "assert" "else" "if" "in" "inherit" "let" "or" "rec" "then" "with" ]
    then name
    else escapeNixString name;
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];

  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
  toShellVar = name: value:
    lib.throwIfNot (isValidPosixName name) "toShellVar: ${name} is not a valid shell variable name" (
      if isAttrs value && !isStringLike value then
        "declare -A ${name}=(${concatStringsSep " " (lib.mapAttrsToList (key: v: "[${escapeShellArg key}]=${escapeShellArg v}") value)})"
      else if isList value then "declare -a ${name}=(${escapeShellArgs value})"
      else "${name}=${escapeShellArg value}");
  toShellVars = vars: concatStringsSep "\n" (lib.mapAttrsToList toShellVar vars);

  # -- splitting -------------------------------------------------------------------------------

  splitString = separator: text:
    let parts = filter isString (split (escapeRegex (toString separator)) (toString text)); in
    map (addContextFrom text) parts;
  # A new part begins where `isBreak` holds of two neighbouring characters.
  splitStringBy = isBreak: keep: text:
    let
      step = acc: c:
        let begins = isBreak acc.last c; in
        {
          last = c;
          parts = if begins then acc.parts ++ [ acc.current ] else acc.parts;
          current = if begins then (if keep then c else "") else acc.current + c;
        };
      end = foldl' step { last = ""; parts = [ ]; current = ""; } (stringToCharacters text);
    in
    if text == "" then [ "" ]
    else map (addContextFrom text) (end.parts ++ [ end.current ]);
  addContextFrom = source: target: substring 0 0 source + target;

  # -- versions and names ----------------------------------------------------------------------

  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  getName = x: if isString x then (builtins.parseDrvName x).name else x.pname or (builtins.parseDrvName x.name).name;
  getVersion = x: if isString x then (builtins.parseDrvName x).version else x.version or (builtins.parseDrvName x.name).version;
  nameFromURL = url: separator:
    let file = lib.last (splitString "/" url);
      name = head (splitString separator file);
    in
    assert name != file;
    name;
  sanitizeDerivationName = name:
    let
      plain = unsafeDiscardStringContext (toString name);
      valid = stringLength plain <= 207 && match "[[:alnum:]+_?=-][[:alnum:]+._?=-]*" plain != null;
      withoutDots = head (match "\\.*(.*)" plain);
      parts = map (part: if isList part then "-" else part) (split "[^[:alnum:]+._?=-]+" withoutDots);
      joined = concatStrings parts;
      shortened = substring (lib.max (stringLength joined - 207) 0) (-1) joined;
    in
    if valid then plain else if shortened == "" then "unknown" else shortened;

  # -- build flags -----------------------------------------------------------------------------

  mesonOption = feature: value:
    assert isString feature; assert isString value;
    "-D${feature}=${value}";
  mesonBool = feature: condition:
    assert isString feature; assert isBool condition;
    mesonOption feature (lib.boolToString condition);
  mesonEnable = feature: condition:
    assert isString feature; assert isBool condition;
    mesonOption feature (if condition then "enabled" else "disabled");
  cmakeOptionType = type: feature: value:
    assert elem (toUpper type) [ "FILEPATH" "PATH" "STRING" "BOOL" "INTERNAL" ];
    assert isString feature; assert isString value;
    "-D${feature}:${toUpper type}=${value}";
  cmakeBool = feature: condition:
    assert isString feature; assert isBool condition;
    cmakeOptionType "bool" feature (toUpper (lib.boolToString condition));
  cmakeFeature = feature: value: cmakeOptionType "string" feature value;
  enableFeature = featureFlag "enable" "disable";
  enableFeatureAs = condition: feature: value:
    enableFeature condition feature + optionalString condition "=${value}";
  withFeature = featureFlag "with" "without";
  withFeatureAs = condition: feature: value:
    withFeature condition feature + optionalString condition "=${value}";

  # -- widths and numbers ----------------------------------------------------------------------

  fixedWidthString = width: filler: text:
    let missing = width - stringLength text; in
    if missing < 0 then throw "fixedWidthString: `${text}' (${toString (stringLength text)} characters) is longer than ${toString width}"
    else replicate missing filler + text;
  fixedWidthNumber = width: number: fixedWidthString width "0" (toString number);
  floatToString = number:
    let
      text = toString number;
      exact = toJSON number;
    in
    if builtins.fromJSON text == number then text
    else lib.warn "Imprecise conversion from float to string ${exact}" text;

  toInt = text:
    let
      found = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" text;
      octal = match "[[:space:]]*0[[:digit:]]+[[:space:]]*" text != null;
    in
    if found == null then throw "toInt: Could not convert ${escapeNixString text} to int."
    else if octal then throw "toInt: Ambiguity in interpretation of ${escapeNixString text} between octal and zero padded integer."
    else builtins.fromJSON (head found);
  toIntBase10 = text:
    let
      found = match "[[:space:]]*0*(-?[[:digit:]]+)[[:space:]]*" text;
    in
    if found == null then throw "toIntBase10: Could not convert ${escapeNixString text} to int."
    else builtins.fromJSON (head found);

  # -- kinds -----------------------------------------------------------------------------------

  isStringLike = x: isString x || isPath x || x ? outPath || x ? __toString;
  isConvertibleWithToString = x:
    isStringLike x || elem (builtins.typeOf x) [ "null" "int" "float" "bool" ]
    || (isList x && lib.all isConvertibleWithToString x);
  isCoercibleToString = isConvertibleWithToString;
  isStorePath = x:
    isStringLike x && (
      let text = toString x; in
      substring 0 1 text == "/"
      && (builtins.dirOf text == builtins.storeDir
        || match "/[0-9a-z]{52}" text != null));

  # -- files -----------------------------------------------------------------------------------

  fileContents = file: removeSuffix "\n" (builtins.readFile file);
  readPathsFromFile = root: file:
    map (line: root + "/${line}")
      (filter (line: line != "" && !hasPrefix "#" line) (splitString "\n" (fileContents file)));
  normalizePath = text:
    let parts = filter isString (split "/+" (toString text)); in
    addContextFrom text (concatStringsSep "/" parts);

  # -- distance --------------------------------------------------------------------------------

  # Fewest insertions, deletions and replacements from one string to the other.
  levenshtein = a: b:
    let
      rows = stringToCharacters a;
      columns = stringToCharacters b;
      width = length columns;
      # The next row of the table, cell by cell from its left neighbour.
      nextRow = row: c:
        let
          cells = foldl'
            (acc: n:
              let
                replaced = elemAt row n + (if elemAt columns n == c then 0 else 1);
                deleted = elemAt row (n + 1) + 1;
                inserted = acc.left + 1;
                best = lib.min replaced (lib.min deleted inserted);
              in
              builtins.seq best { left = best; row = acc.row ++ [ best ]; })
            { left = head row + 1; row = [ (head row + 1) ]; }
            (genList (n: n) width);
        in
        cells.row;
    in
    elemAt (foldl' nextRow (genList (n: n) (width + 1)) rows) width;

  levenshteinAtMost = limit: a: b:
    let difference = stringLength a - stringLength b; in
    (if difference < 0 then -difference else difference) <= limit && levenshtein a b <= limit;
}
