with builtins;
let h = hashString "sha256" ""; in
[
  (convertHash { hash = h; hashAlgo = "sha256"; toHashFormat = "nix32"; })
  (convertHash { hash = "sha256:${h}"; toHashFormat = "sri"; })
  (convertHash { hash = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="; toHashFormat = "base16"; })
  (hashString "sha1" "a") (hashString "sha512" "a")
]
