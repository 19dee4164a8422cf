with builtins;
[
  (replaceStrings [ "a" "" ] [ "b" "-" ] "abc")
  (replaceStrings [ "oo" "o" ] [ "u" "x" ] "foo bor")
  (substring 2 100 "hello") (substring 1 2 "hello") (substring 0 (-1) "hello")
  (concatStringsSep ", " [ "a" "b" ])
  (match "([a-z]+)-([0-9]*)" "snow-12") (match "a" "ab") (match "(a)?b" "b")
  (split "(,)" "a,b,,c") (split "x" "") (split "a|ab" "xabx")
  (splitVersion "1.2a-3") (compareVersions "1.10" "1.9") (parseDrvName "nix-0.12pre12876")
  (toString [ 1 "a" true null [ 2 ] ]) (toString 1.5) (typeOf 1.5)
  (hashString "sha256" "snow") (hashString "md5" "")
  (baseNameOf "/a/b/") (dirOf "/a/b") (baseNameOf "a") (dirOf "a")
]
