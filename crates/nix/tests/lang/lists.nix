with builtins;
[
  (sort (a: b: a < b) [ 3 1 2 ])
  (sort (a: b: a.k < b.k) [ { k = 1; v = "first"; } { k = 0; v = "zero"; } { k = 1; v = "second"; } ])
  (foldl' (a: b: a + b) 0 (genList (x: x) 11))
  (filter (x: x > 1) [ 1 2 3 ])
  (concatMap (x: [ x (x * 10) ]) [ 1 2 ])
  (partition (x: x > 1) [ 1 2 3 ])
  (groupBy (x: if x > 1 then "big" else "small") [ 1 2 3 ])
  (elem 2 [ 1 2 ]) (all (x: x) [ ]) (any (x: x) [ ])
  (tail [ 1 2 3 ]) (elemAt [ 1 2 ] 1) (concatLists [ [ 1 ] [ ] [ 2 ] ])
  (map (x: x.key) (genericClosure { startSet = [ { key = 0; } ]; operator = x: if x.key < 4 then [ { key = x.key + 2; } { key = x.key + 1; } ] else [ ]; }))
]
