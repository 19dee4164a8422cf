with builtins;
[
  (toJSON { b = [ 1 2.5 true null "x\ny\"" ]; a = { }; })
  (fromJSON ''{ "a": [ 1, -2.5e3, "\u00e9\ud83d\ude00" ], "b": { "b": null }, "a": 2 }'')
  (toJSON (fromJSON "[1e100, 0.1, 100000, 1.0]"))
  (toJSON { outPath = "/x"; other = 1; })
  (toJSON { __toString = self: "text"; })
]
