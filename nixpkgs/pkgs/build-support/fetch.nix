# Downloads: derivations whose result is known by its hash.
{ final, lib, simple }:
let
  mirrors = {
    gnu = "https://ftp.gnu.org/gnu/";
    savannah = "https://download.savannah.gnu.org/releases/";
    sourceforge = "https://downloads.sourceforge.net/";
    pypi = "https://files.pythonhosted.org/packages/source/";
    cpan = "https://cpan.metacpan.org/";
    debian = "http://deb.debian.org/debian/";
    kernel = "https://cdn.kernel.org/pub/";
    gnome = "https://download.gnome.org/";
    apache = "https://archive.apache.org/dist/";
    maven = "https://repo1.maven.org/maven2/";
    hackage = "https://hackage.haskell.org/package/";
    rubygems = "https://rubygems.org/";
  };
  resolve =
    url:
    let
      parts = builtins.match "mirror://([a-z]+)/(.*)" url;
    in
    if parts == null then
      url
    else
      (mirrors.${builtins.head parts} or (throw "fetchurl: unknown mirror in ${url}")) + builtins.elemAt parts 1;

  hashOf =
    who: args:
    let
      given = builtins.filter (key: args.${key} or "" != "" && args.${key} or null != null) [
        "hash"
        "sha256"
        "sha512"
        "sha1"
        "md5"
        "outputHash"
      ];
      key = builtins.head given;
      placeholder = lib.fakeHash or "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    in
    if builtins.length given > 1 then
      throw "${who}: several hashes are given: ${toString given}"
    else if given == [ ] then
      {
        outputHash = placeholder;
        outputHashAlgo = null;
      }
    else if key == "hash" then
      {
        outputHash = args.hash;
        outputHashAlgo = null;
      }
    else if key == "outputHash" then
      {
        inherit (args) outputHash;
        outputHashAlgo = args.outputHashAlgo or null;
      }
    else
      {
        outputHash = args.${key};
        outputHashAlgo = key;
      };
  # Hashes of the form "sha256-…" name their algorithm themselves.
  algorithm = hash: if hash.outputHashAlgo == null then { } else { inherit (hash) outputHashAlgo; };

  cleanName =
    url:
    let
      base = builtins.baseNameOf (builtins.head (builtins.match "([^?#]*).*" url));
    in
    lib.strings.sanitizeDerivationName (builtins.unsafeDiscardStringContext base);

  fetchurl =
    {
      url ? "",
      urls ? [ ],
      name ? "",
      pname ? null,
      version ? null,
      executable ? false,
      recursiveHash ? false,
      postFetch ? "",
      downloadToTemp ? false,
      curlOpts ? "",
      curlOptsList ? [ ],
      nativeBuildInputs ? [ ],
      meta ? { },
      passthru ? { },
      ...
    }@args:
    let
      all = map resolve (if urls != [ ] then urls else [ url ]);
      hash = hashOf "fetchurl" args;
      fullName =
        if name != "" then
          name
        else if pname != null then
          "${pname}-${version}"
        else
          cleanName (builtins.head all);
      mode = if recursiveHash || executable then "recursive" else "flat";
    in
    if url == "" && urls == [ ] then
      throw "fetchurl: neither 'url' nor 'urls' is set"
    else if postFetch != "" || downloadToTemp || curlOpts != "" || curlOptsList != [ ] then
      download {
        name = fullName;
        inherit hash meta passthru nativeBuildInputs;
        urls = all;
        mode = if recursiveHash then "recursive" else "flat";
        options = toString curlOpts + " " + lib.escapeShellArgs curlOptsList;
        command = ''
          ${if downloadToTemp then "downloadedFile=$TMPDIR/file" else "downloadedFile=$out"}
          fetch "$downloadedFile"
          ${postFetch}
        '';
      }
    else
      simple.simple {
        inherit meta;
        passthru = passthru // { urls = all; url = builtins.head all; };
        arguments = {
          name = fullName;
          builder = "builtin:fetchurl";
          url = builtins.head all;
          urls = all;
          unpack = false;
          inherit executable;
          inherit (hash) outputHash;
          outputHashMode = mode;
          preferLocalBuild = true;
        }
        // algorithm hash;
      };

  # A download by a process, for all that changes what was downloaded.
  download =
    {
      name,
      urls,
      hash,
      mode,
      command,
      options ? "",
      nativeBuildInputs ? [ ],
      meta ? { },
      passthru ? { },
    }:
    final.stdenvNoCC.mkDerivation (
      {
        inherit name urls meta;
        passthru = passthru // { inherit urls; url = builtins.head urls; };
        inherit (hash) outputHash;
        outputHashMode = mode;
        nativeBuildInputs = [
          final.curl
          final.cacert
        ]
        ++ nativeBuildInputs;
        impureEnvVars = [
          "http_proxy"
          "https_proxy"
          "no_proxy"
        ];
        SSL_CERT_FILE = "${final.cacert}/etc/ssl/certs/ca-bundle.crt";
        buildCommand = ''
          fetch() {
            local url
            for url in $urls; do
              if curl --fail --location --retry 3 --max-redirs 20 ${options} --output "$1" "$url"; then return 0; fi
            done
            echo "error: cannot download $name from any of: $urls" >&2
            exit 1
          }
          ${command}
        '';
      }
      // algorithm hash
    );

  fetchzip =
    {
      url ? "",
      urls ? [ ],
      name ? "source",
      extension ? null,
      stripRoot ? true,
      postFetch ? "",
      nativeBuildInputs ? [ ],
      meta ? { },
      passthru ? { },
      ...
    }@args:
    let
      all = map resolve (if urls != [ ] then urls else [ url ]);
      file = "archive-" + (if extension != null then "source.${extension}" else cleanName (builtins.head all));
    in
    download {
      inherit name meta passthru;
      urls = all;
      hash = hashOf "fetchzip" args;
      mode = "recursive";
      nativeBuildInputs = [ final.unzip ] ++ nativeBuildInputs;
      command = ''
        mkdir "$TMPDIR/unpack"
        fetch "$TMPDIR/${file}"
        cd "$TMPDIR/unpack"
        unpackFile "$TMPDIR/${file}"
        chmod -R u+w .
        ${
          if stripRoot then
            ''
              shopt -s dotglob
              entries=(*)
              if ((''${#entries[@]} != 1)); then
                echo "error: the archive must hold one file or folder; else use stripRoot = false" >&2
                exit 1
              fi
              mv "''${entries[0]}" "$out"
            ''
          else
            ''mv "$TMPDIR/unpack" "$out"''
        }
        cd "$TMPDIR"
        ${postFetch}
        chmod -R u+w "$out"
        chmod 755 "$out"
      '';
    };

  fetchgit =
    {
      url,
      rev ? null,
      tag ? null,
      name ? "source",
      fetchSubmodules ? true,
      leaveDotGit ? false,
      deepClone ? false,
      sparseCheckout ? [ ],
      postFetch ? "",
      meta ? { },
      passthru ? { },
      ...
    }@args:
    let
      reference = if tag != null then "refs/tags/${tag}" else if rev != null then rev else "HEAD";
    in
    if leaveDotGit || deepClone || sparseCheckout != [ ] then
      throw "fetchgit ${url}: leaveDotGit, deepClone and sparseCheckout are not supported"
    else
      download {
        inherit name meta;
        passthru = passthru // { inherit rev tag; };
        urls = [ url ];
        hash = hashOf "fetchgit" args;
        mode = "recursive";
        nativeBuildInputs = [ final.git ];
        command = ''
          export GIT_SSL_CAINFO=$SSL_CERT_FILE HOME=$TMPDIR
          git init --quiet "$out"
          cd "$out"
          git fetch --quiet --depth 1 ${lib.escapeShellArg url} ${lib.escapeShellArg reference}
          git checkout --quiet FETCH_HEAD
          ${lib.optionalString fetchSubmodules "git submodule update --quiet --init --recursive --depth 1"}
          find . -name .git -prune -exec rm -rf {} +
          ${postFetch}
        '';
      };

  # A forge: an archive of a revision, or git where the archive does not do.
  forge =
    archiveUrl: gitUrl:
    {
      owner,
      repo,
      rev ? null,
      tag ? null,
      name ? "source",
      fetchSubmodules ? false,
      forceFetchGit ? false,
      leaveDotGit ? false,
      deepClone ? false,
      sparseCheckout ? [ ],
      private ? false,
      domain ? null,
      githubBase ? null,
      ...
    }@args:
    let
      reference = if tag != null then "refs/tags/${tag}" else if rev != null then rev else throw "fetch of ${owner}/${repo}: neither 'rev' nor 'tag' is set";
      common = removeAttrs args [
        "owner"
        "repo"
        "rev"
        "tag"
        "fetchSubmodules"
        "forceFetchGit"
        "leaveDotGit"
        "deepClone"
        "sparseCheckout"
        "private"
        "domain"
        "githubBase"
      ];
      at = {
        inherit owner repo reference;
        domain = if domain != null then domain else githubBase;
      };
    in
    if private then
      throw "fetch of ${owner}/${repo}: private repositories are not supported"
    else if fetchSubmodules || forceFetchGit || leaveDotGit || deepClone || sparseCheckout != [ ] then
      fetchgit (common // { inherit rev tag name fetchSubmodules leaveDotGit deepClone sparseCheckout; url = gitUrl at; })
    else
      fetchzip (
        common
        // {
          inherit name;
          url = archiveUrl at;
          extension = "tar.gz";
          passthru = { inherit owner repo rev tag; } // args.passthru or { };
        }
      );
  or' = value: default: if value == null then default else value;
in
{
  inherit fetchurl fetchzip fetchgit;
  fetchtarball = fetchzip;
  fetchgitPrivate = _: throw "fetchgitPrivate is not supported";

  fetchFromGitHub = forge (
    a: "https://${or' a.domain "github.com"}/${a.owner}/${a.repo}/archive/${a.reference}.tar.gz"
  ) (a: "https://${or' a.domain "github.com"}/${a.owner}/${a.repo}.git");
  fetchFromGitLab = forge (
    a: "https://${or' a.domain "gitlab.com"}/api/v4/projects/${a.owner}%2F${a.repo}/repository/archive.tar.gz?sha=${a.reference}"
  ) (a: "https://${or' a.domain "gitlab.com"}/${a.owner}/${a.repo}.git");
  fetchFromGitea = forge (a: "https://${a.domain}/${a.owner}/${a.repo}/archive/${a.reference}.tar.gz") (
    a: "https://${a.domain}/${a.owner}/${a.repo}.git"
  );
  fetchFromForgejo = final.fetchFromGitea;
  fetchFromCodeberg = args: final.fetchFromGitea (args // { domain = "codeberg.org"; });
  fetchFromSourcehut = forge (a: "https://git.${or' a.domain "sr.ht"}/${a.owner}/${a.repo}/archive/${a.reference}.tar.gz") (
    a: "https://git.${or' a.domain "sr.ht"}/${a.owner}/${a.repo}"
  );
  fetchFromBitbucket = forge (a: "https://bitbucket.org/${a.owner}/${a.repo}/get/${a.reference}.tar.gz") (
    a: "https://bitbucket.org/${a.owner}/${a.repo}.git"
  );
  fetchPypi = final.python3Packages.fetchPypi;

  requireFile =
    { name, url ? "", message ? "get ${name} from ${url} and add it to the store", ... }:
    throw "requireFile '${name}': ${message}";
}
