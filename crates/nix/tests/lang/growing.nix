# Lists and sets that grow out of each other stay what they were.
with builtins;
let
  appended = foldl' (list: i: list ++ [ i ]) [ ] (genList (i: i) 40);
  one = appended ++ [ "one" ];
  other = appended ++ [ "other" "more" ];
  both = one ++ other;
  prepended = foldl' (list: i: [ i ] ++ list) [ ] (genList (i: i) 40);
  before = [ "before" ] ++ prepended;
  also = [ "also" ] ++ prepended;
  rest = tail appended ++ [ "rest" ];

  set = foldl' (set: i: set // { "grown${toString i}" = i; }) { } (genList (i: i) 40);
  left = set // { grown-left = 1; };
  right = set // { grown-right = 2; };
  again = set // { grown3 = "again"; };
  ends = list: [ (length list) (head list) (elemAt list (length list - 1)) ];
  late = throw "late";
in
{
  lists = map ends [ appended one other both prepended before also rest ];
  sets = map (set: [ (length (attrNames set)) (set ? grown-left) (set ? grown-right) set.grown3 ]) [ set left right again ];
  positions = (unsafeGetAttrPos "grown-left" left).line - (unsafeGetAttrPos "grown39" left).line;
  # What was looked at before is not all of what it became.
  deep = map (value: (tryEval (deepSeq value true)).success) [
    appended
    [ appended (appended ++ [ late ]) ]
    [ set (set // { grown-late = late; }) ]
  ];
  printed = let long = genList (i: i) 17 ++ [ 17 ]; longer = long ++ [ 18 ]; in [ long longer (longer ++ [ 19 ]) ];
  equal = [ (one == other) (appended ++ [ "one" ] == one) (left == right) (set // { grown-left = 1; } == left) ];
}
