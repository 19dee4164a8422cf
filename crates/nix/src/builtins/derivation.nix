# What `derivation` gives for the attributes of a build: a set for the first output, in which the
# sets of all outputs can be found by name. Nothing is computed until a path is asked for.
attributes@{ outputs ? [ "out" ], ... }:
let
  recipe = derivationStrict attributes;

  shared = attributes // __listToAttrs results // {
    all = map (result: result.value) results;
    drvAttrs = attributes;
  };

  results = map (outputName: {
    name = outputName;
    value = shared // {
      inherit outputName;
      outPath = __getAttr outputName recipe;
      drvPath = recipe.drvPath;
      type = "derivation";
    };
  }) outputs;
in
(__head results).value
