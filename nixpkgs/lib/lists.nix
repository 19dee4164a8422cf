# Lists.
{ lib }:
let
  inherit (builtins)
    all any concatLists concatMap elem elemAt filter foldl' genList genericClosure groupBy head
    isList isString length listToAttrs map sort tail;
in
rec {
  inherit (builtins)
    all any concatLists concatMap elem elemAt filter genList head isList length map partition
    tail;

  singleton = x: [ x ];
  toList = x: if isList x then x else [ x ];
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: xs: if condition then xs else [ ];
  forEach = xs: f: map f xs;
  concatAttrValues = set: concatLists (builtins.attrValues set);

  # -- folds -----------------------------------------------------------------------------------

  foldr = f: nul: xs:
    let
      count = length xs;
      go = n: if n == count then nul else f (elemAt xs n) (go (n + 1));
    in
    go 0;
  fold = foldr;

  # Lazy in the accumulator, unlike foldl'.
  foldl = f: nul: xs:
    let go = n: if n < 0 then nul else f (go (n - 1)) (elemAt xs n);
    in go (length xs - 1);

  foldl' = f: acc: builtins.seq acc (builtins.foldl' f acc);

  count = pred: foldl' (n: x: if pred x then n + 1 else n) 0;

  # -- mapping ---------------------------------------------------------------------------------

  imap0 = f: xs: genList (n: f n (elemAt xs n)) (length xs);
  imap1 = f: xs: genList (n: f (n + 1) (elemAt xs n)) (length xs);
  ifilter0 = keep: xs:
    map (elemAt xs) (filter (n: keep n (elemAt xs n)) (genList (n: n) (length xs)));
  flatten = x: if isList x then concatMap flatten x else [ x ];
  replaceElemAt = xs: index: new:
    if index < 0 || index >= length xs then throw "replaceElemAt: index ${toString index} is outside the list"
    else genList (n: if n == index then new else elemAt xs n) (length xs);
  zipListsWith = f: xs: ys:
    genList (n: f (elemAt xs n) (elemAt ys n)) (lib.min (length xs) (length ys));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists = f: foldl (fs: args: concatMap (g: map g args) fs) [ f ];
  reverseList = xs: let last = length xs - 1; in genList (n: elemAt xs (last - n)) (length xs);
  range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);
  replicate = n: x: genList (_: x) n;

  # -- searching -------------------------------------------------------------------------------

  remove = x: filter (y: x != y);
  findSingle = pred: none: several: xs:
    let found = filter pred xs; in
    if found == [ ] then none else if length found > 1 then several else head found;
  findFirstIndex = pred: default: xs:
    let
      count = length xs;
      # A loop by foldl' looks at no element after the found one and needs no stack.
      found = foldl' (n: x: if n >= 0 then n else if pred x then -n - 1 else n - 1) (-1) xs;
    in
    if count == 0 || found < 0 then default else found;
  findFirst = pred: default: xs:
    let index = findFirstIndex pred null xs; in
    if index == null then default else elemAt xs index;

  # -- parts -----------------------------------------------------------------------------------

  sublist = start: count: xs:
    let
      available = length xs;
      taken = if start >= available then 0
        else if start + count > available then available - start
        else count;
    in
    genList (n: elemAt xs (start + n)) taken;
  take = sublist 0;
  takeEnd = n: xs: drop (lib.max 0 (length xs - n)) xs;
  drop = count: xs: sublist count (length xs) xs;
  dropEnd = n: xs: take (lib.max 0 (length xs - n)) xs;
  hasPrefix = prefix: xs: take (length prefix) xs == prefix;
  removePrefix = prefix: xs:
    if hasPrefix prefix xs then drop (length prefix) xs
    else throw "lib.lists.removePrefix: the list does not begin with the prefix";
  commonPrefix = xs: ys:
    let
      shorter = lib.min (length xs) (length ys);
      differing = findFirst (n: elemAt xs n != elemAt ys n) shorter (genList (n: n) shorter);
    in
    take differing xs;
  last = xs:
    if xs == [ ] then throw "lists.last: list must not be empty!" else elemAt xs (length xs - 1);
  init = xs:
    if xs == [ ] then throw "lists.init: list must not be empty!" else take (length xs - 1) xs;

  # -- order -----------------------------------------------------------------------------------

  inherit (builtins) sort;
  sortOn = key: xs:
    map (entry: entry.value)
      (sort (a: b: a.key < b.key) (map (value: { inherit value; key = key value; }) xs));

  compareLists = cmp: xs: ys:
    let
      count = lib.min (length xs) (length ys);
      go = n:
        if n == count then lib.compare (length xs) (length ys)
        else
          let order = cmp (elemAt xs n) (elemAt ys n); in
          if order == 0 then go (n + 1) else order;
    in
    go 0;

  # Numbers within the strings compare as numbers: "v9" before "v10".
  naturalSort = xs:
    let
      key = text: map (part: if isList part then lib.toIntBase10 (head part) else part)
        (builtins.split "(0|[1-9][0-9]*)" text);
      entries = map (value: { inherit value; key = key value; }) xs;
    in
    map (entry: entry.value) (sort (a: b: compareLists lib.compare a.key b.key < 0) entries);

  # Depth first from the first element, `before a b` meaning that a must come first.
  listDfs = stopOnCycles: before: xs:
    let
      go = us: visited: rest:
        let
          here = builtins.partition (x: before x us) visited;
          next = builtins.partition (x: before x us) rest;
        in
        if stopOnCycles && here.right != [ ]
        then { cycle = us; loops = here.right; inherit visited rest; }
        else if next.right == [ ] then { minimal = us; inherit visited rest; }
        else go (head next.right) ([ us ] ++ visited) (tail next.right ++ next.wrong);
    in
    go (head xs) [ ] (tail xs);

  toposort = before: xs:
    let
      first = listDfs true before xs;
      others = toposort before (first.visited ++ first.rest);
    in
    if length xs < 2 then { result = xs; }
    else if first ? cycle then { cycle = reverseList ([ first.cycle ] ++ first.visited); inherit (first) loops; }
    else if others ? cycle then others
    else { result = [ first.minimal ] ++ others.result; };

  # -- sets ------------------------------------------------------------------------------------

  inherit (builtins) groupBy;
  groupBy' = f: nul: key: xs: builtins.mapAttrs (_: foldl f nul) (groupBy key xs);

  # For any values; strings go the quick way.
  unique = xs:
    if all isString xs then uniqueStrings' xs
    else foldl' (acc: x: if elem x acc then acc else acc ++ [ x ]) [ ] xs;

  # In the order of first occurrence. `builtins.genericClosure` keeps a set of keys.
  uniqueStrings' = xs:
    map (entry: entry.value)
      (genericClosure {
        startSet = map (value: { key = builtins.unsafeDiscardStringContext value; inherit value; }) xs;
        operator = _: [ ];
      });
  # Sorted.
  uniqueStrings = xs: builtins.attrNames (groupBy (x: x) xs);

  allUnique = xs: length (unique xs) == length xs;
  intersectLists = xs: filter (x: elem x xs);
  subtractLists = xs: filter (x: !elem x xs);
  mutuallyExclusive = xs: ys: xs == [ ] || !any (x: elem x ys) xs;
}
