# Python and its packages: Debian's, and those that a test builds itself.
{ final, lib, row, orFromArchive, insteadOf, ... }:
let
  version = "3.13";

  # Where the Debian name is not "python3-" and the name in lower case.
  named = {
    attrs = "attr";
    beautifulsoup4 = "bs4";
    cherrypy = "cherrypy3";
    dbus-python = "dbus";
    dnspython = "dnspython";
    flask-login = "flask-login";
    gst-python = "gst-1.0";
    ipython = "ipython";
    junit-xml = "junit.xml";
    libvirt = "libvirt";
    mariadb = "mysqldb";
    markupsafe = "markupsafe";
    mysqlclient = "mysqldb";
    opencv4 = "opencv";
    pillow = "pil";
    pip = "pip";
    pycairo = "cairo";
    pygobject3 = "gi";
    pyjwt = "jwt";
    pymysql = "pymysql";
    pynacl = "nacl";
    pyopenssl = "openssl";
    pyserial = "serial";
    pysnmp = "pysnmp4";
    python-dateutil = "dateutil";
    python-dotenv = "dotenv";
    python-gnupg = "gnupg";
    python-ldap = "ldap";
    python-magic = "magic";
    python-memcached = "memcache";
    python-multipart = "python-multipart";
    python-slugify = "slugify";
    python-systemd = "systemd";
    pytz = "tz";
    pyyaml = "yaml";
    pyzmq = "zmq";
    scikit-image = "skimage";
    scikit-learn = "sklearn";
    systemd = "systemd";
    tkinter = "tk";
    uwsgi = null;
    websocket-client = "websocket";
    xlib = "xlib";
    zope-interface = "zope.interface";
  };

  debianName =
    name:
    if named ? ${name} then
      (if named.${name} == null then null else "python3-${named.${name}}")
    else
      "python3-${builtins.replaceStrings [ "_" ] [ "-" ] (lib.toLower name)}";

  # Known to be in trixie; the archive knows more.
  known = [
    "aiohttp" "aiosmtpd" "babel" "bcrypt"  "boto3" "botocore" "bottle" "build" "cbor2" "certifi"
    "cffi" "chardet" "click" "colorama" "coverage" "cryptography" "distro" "django" "docker" "docopt" "docutils"
    "evdev" "fastapi" "filelock" "flake8" "flask" "gevent" "greenlet" "grpcio" "gunicorn" "h11" "h2"
    "httpx" "hypothesis" "idna" "ifaddr" "impacket" "iniconfig" "jinja2" "jsonschema" "kafka" "kubernetes"
    "ldap3" "lxml" "mako" "markdown" "matplotlib" "mechanize" "mock" "msgpack" "mypy" "netaddr"
    "netifaces" "networkx" "nftables" "numpy" "packaging" "paho-mqtt" "pandas" "paramiko" "passlib" "pexpect"
    "pika" "pluggy" "ply" "prometheus-client" "protobuf" "psutil" "psycopg2" "psycopg"  "ptyprocess"
    "pyasn1" "pyatspi" "pycodestyle" "pycparser" "pycryptodome" "pycurl" "pyflakes" "pyftpdlib" "pygments"
    "pyinotify" "pymongo" "pyparsing" "pyroute2" "pytest" "pytest-cov" "pytest-xdist" "pyudev" "redis"
    "requests" "rich" "scapy" "scipy" "secretstorage" "selenium" "setuptools" "simplejson" "six"
    "sqlalchemy" "starlette" "stomp" "tabulate" "texttable" "toml" "tomli" "tomlkit" "tornado" "tqdm"
    "twisted" "typing-extensions" "ujson" "urllib3" "uvicorn" "virtualenv" "waitress" "webob" "websockets" "werkzeug"
    "wheel" "xmltodict" "yarl" "zeroconf"
  ];

  isOfDebian = package: package ? debian;

  makePython =
    { attr, packagesAttr }:
    let
      interpreterFiles = [
        "python3"
        "python3-minimal"
        "python${version}"
        "python${version}-minimal"
        "libpython3-stdlib"
        "libpython${version}-minimal"
        "libpython${version}-stdlib"
      ];

      python = row attr {
        deb = "python${version}";
        pname = "python3";
        "with" = lib.remove "python${version}" interpreterFiles;
        main = "python3";
        dev = "libpython3-dev";
        links = {
          "bin/python" = "/usr/bin/python3";
          "bin/pydoc" = "/usr/bin/pydoc3";
        };
        passthru = attributes;
      };

      attributes = {
        inherit withPackages;
        pythonVersion = version;
        libPrefix = "python${version}";
        executable = "python${version}";
        interpreter = "${python}/bin/python${version}";
        sitePackages = "lib/python3/dist-packages";
        implementation = "cpython";
        isPy2 = false;
        isPy27 = false;
        isPy3 = true;
        isPy3k = true;
        isPyPy = false;
        pythonAtLeast = lib.versionAtLeast version;
        pythonOlder = lib.versionOlder version;
        pkgs = packages;
        buildEnv = throw "python3.buildEnv is not supported: use python3.withPackages";
      };

      # Every Python package that a list needs, Debian's own dependencies aside: apt knows those.
      closure =
        list:
        map (entry: entry.package) (
          builtins.genericClosure {
            startSet = map keyed (builtins.filter (package: package != null) (lib.flatten list));
            operator = { package, ... }: map keyed (package.requiredPythonModules or [ ]);
          }
        );
      keyed = package: {
        key = "${package}";
        inherit package;
      };

      withPackages =
        choose:
        let
          all = closure (choose packages);
          debian = builtins.filter isOfDebian all;
          own = builtins.filter (package: !(isOfDebian package)) all;
          view = final.snowglobe.view {
            name = "python3-env";
            packages = [ "python${version}" ] ++ lib.remove "python${version}" interpreterFiles ++ builtins.concatMap (package: package.debian.files) debian;
            links."bin/python" = "/usr/bin/python3";
            meta.mainProgram = "python3";
            passthru = attributes // { inherit python; interpreter = "${self}/bin/python${version}"; };
          };
          wrapper = name: {
            path = "bin/${name}";
            type = "text";
            executable = true;
            text = ''
              #!${final.runtimeShell}
              export PYTHONPATH="${lib.makeSearchPath attributes.sitePackages own}''${PYTHONPATH:+:$PYTHONPATH}"
              exec ${view}/bin/${name} "$@"
            '';
          };
          wrapped = final.symlinkJoin {
            name = "python3-${python.version}-env";
            paths = [
              (final.snowglobe.tree {
                name = "python3-wrappers";
                entries = map wrapper [
                  "python"
                  "python3"
                  "python${version}"
                ];
              })
              view
            ]
            ++ own;
            meta.mainProgram = "python3";
            passthru = attributes // { inherit python; interpreter = "${self}/bin/python${version}"; };
          };
          self = if all == [ ] then python else if own == [ ] then view else wrapped;
        in
        self;

      package = name: row name { deb = debianName name; main = null; passthru.pythonModule = python; };

      buildPythonPackage =
        given:
        let
          build =
            attrs:
            let
              dependencies = lib.flatten [
                (attrs.propagatedBuildInputs or [ ])
                (attrs.dependencies or [ ])
              ];
              format = attrs.format or "setuptools";
              name = if attrs ? name then attrs.name else "${attrs.pname}-${attrs.version}";
              own = builtins.filter (p: !(isOfDebian p)) (closure dependencies);
            in
            final.stdenvNoCC.mkDerivation (
              {
                configurePhase = "runHook preConfigure; runHook postConfigure";
                buildPhase = "runHook preBuild; runHook postBuild";
                installPhase = ''
                  runHook preInstall
                  export HOME=$TMPDIR
                  python3 -m pip install --no-deps --no-build-isolation --no-index --no-cache-dir --no-warn-script-location \
                    --target "$out/${attributes.sitePackages}" .
                  if [ -d "$out/${attributes.sitePackages}/bin" ]; then mv "$out/${attributes.sitePackages}/bin" "$out/bin"; fi
                  runHook postInstall
                '';
                checkPhase = "runHook preCheck; runHook postCheck";
              }
              // removeAttrs attrs [
                "format"
                "pyproject"
                "build-system"
                "dependencies"
                "optional-dependencies"
                "disabled"
                "pythonImportsCheck"
                "pythonRelaxDeps"
                "nativeCheckInputs"
                "doCheck"
              ]
              // lib.optionalAttrs (format == "other") (
                lib.filterAttrs (phase: _: builtins.elem phase [ "configurePhase" "buildPhase" "installPhase" ]) attrs
              )
              // {
                inherit name;
                nativeBuildInputs = [
                  (withPackages (
                    p:
                    [
                      p.pip
                      p.setuptools
                      p.wheel
                    ]
                    ++ (attrs.build-system or [ ])
                    ++ dependencies
                  ))
                ]
                ++ attrs.nativeBuildInputs or [ ];
                propagatedBuildInputs = [ ];
                # Programs find the package and what it needs.
                postFixup = ''
                  for program in $out/bin/*; do
                    [ -f "$program" ] || continue
                    mv "$program" "$out/bin/.''${program##*/}-wrapped"
                    printf '#!%s\nexport PYTHONPATH="%s''${PYTHONPATH:+:$PYTHONPATH}"\nexec -a "$0" "%s" "$@"\n' \
                      "$SHELL" "$out/${attributes.sitePackages}:${lib.makeSearchPath attributes.sitePackages own}" \
                      "$out/bin/.''${program##*/}-wrapped" >"$program"
                    chmod +x "$program"
                  done
                ''
                + attrs.postFixup or "";
                passthru = {
                  pythonModule = python;
                  requiredPythonModules = dependencies;
                }
                // attrs.passthru or { };
              }
            );
        in
        if builtins.isFunction given then
          let
            result = build (given result);
          in
          result
        else
          build given;

      functions = {
        inherit buildPythonPackage python;
        buildPythonApplication = buildPythonPackage;
        pythonVersion = version;
        toPythonModule = package: package // { pythonModule = python; };
        toPythonApplication = package: package;
        makePythonPath = lib.makeSearchPath attributes.sitePackages;
        requiredPythonModules = closure;
        inherit (attributes) isPy3k isPy27 pythonAtLeast pythonOlder;
        callPackage = lib.callPackageWith (final // packages);
        fetchPypi =
          {
            pname,
            version,
            hash ? null,
            sha256 ? null,
            extension ? "tar.gz",
            ...
          }:
          final.fetchurl (
            {
              url = "https://files.pythonhosted.org/packages/source/${builtins.substring 0 1 pname}/${pname}/${pname}-${version}.${extension}";
            }
            // lib.optionalAttrs (hash != null) { inherit hash; }
            // lib.optionalAttrs (sha256 != null) { inherit sha256; }
          );
        # Part of the interpreter.
        tkinter = package "tkinter";
      };

      packages = orFromArchive (
        lib.genAttrs (known ++ builtins.attrNames (lib.filterAttrs (_: deb: deb != null) named)) package // functions
      ) debianName;
    in
    {
      ${attr} = python;
      ${packagesAttr} = packages;
    };

  made = makePython {
    attr = "python3";
    packagesAttr = "python3Packages";
  };
  older = attr: insteadOf attr made.python3;
in
{
  inherit (made) python3 python3Packages;
  python313 = final.python3;
  python313Packages = final.python3Packages;
  python3Full = final.python3;
  python3Minimal = final.python3;
  python312 = older "python312";
  python311 = older "python311";
  python310 = older "python310";
  python312Packages = (older "python312").pkgs;
  python311Packages = (older "python311").pkgs;
  python = throw "pkgs.python (Python 2) is not supported: use python3";
  python2 = throw "pkgs.python2 is not supported: Debian trixie has no Python 2";
}
