# What fetchers have in common.
{ lib }:
let
  commonH = [ "sha256" "sha512" ];
  fakes = { hash = lib.fakeHash; sha256 = lib.fakeSha256; sha512 = lib.fakeSha512; };
in
rec {
  proxyImpureEnvVars = [
    "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy"
    "HTTP_PROXY" "HTTPS_PROXY" "FTP_PROXY" "ALL_PROXY" "NO_PROXY"
    "NIX_SSL_CERT_FILE"
  ];

  # From one of `hash`, `sha256`, `sha512` to `outputHash` and `outputHashAlgo`.
  normalizeHash = { hashTypes ? [ "sha256" ], required ? true }: args:
    let
      given = builtins.filter (name: args.${name} or "" != "" || args ? ${name}) ([ "hash" ] ++ hashTypes);
      kind = builtins.head given;
      value = args.${kind};
      rest = removeAttrs args ([ "hash" ] ++ hashTypes);
    in
    if args ? outputHash then args
    else if builtins.length given > 1 then throw "multiple hashes passed: ${lib.concatStringsSep ", " given}"
    else if given == [ ] then (if required then throw "fetcher called without `hash'" else rest)
    else rest // {
      outputHash = if value == "" then fakes.${kind} else value;
      outputHashAlgo = if kind == "hash" then null else kind;
    };

  withNormalizedHash = { hashTypes ? [ "sha256" ] }: fetcher:
    let
      wanted = lib.functionArgs fetcher;
      extra = lib.genAttrs ([ "hash" ] ++ hashTypes) (_: true);
    in
    lib.setFunctionArgs (args: fetcher (normalizeHash { inherit hashTypes; } args))
      (removeAttrs wanted [ "outputHash" "outputHashAlgo" ] // extra);
}
