builtins.addErrorContext "while looking at the globe" (throw "it is cracked")
