# `pkgs.writers`: scripts in many languages, and data files.
{ final, lib, simple }:
let
  # A writer may be called with a name or with a path below the package ("/bin/foo").
  place =
    nameOrPath:
    if lib.hasPrefix "/" nameOrPath then
      {
        name = builtins.baseNameOf nameOrPath;
        destination = nameOrPath;
      }
    else
      {
        name = nameOrPath;
        destination = "";
      };

  script =
    { interpreter, preamble ? "" }:
    nameOrPath: content:
    let
      at = place nameOrPath;
      text = if builtins.isPath content || (lib.isDerivation content) then builtins.readFile content else content;
    in
    simple.text {
      inherit (at) name destination;
      executable = true;
      text = "#!${interpreter}\n${preamble}${text}${lib.optionalString (!(lib.hasSuffix "\n" text)) "\n"}";
      meta.mainProgram = at.name;
    };

  # Languages whose writers take options before the text, or the text at once.
  flexible =
    make: name: argument:
    if builtins.isAttrs argument && !(lib.isDerivation argument) then make name argument else make name { } argument;

  wrapped =
    name: arguments: inner:
    if arguments == [ ] then
      inner
    else
      final.runCommandLocal (place name).name { nativeBuildInputs = [ final.makeWrapper ]; meta.mainProgram = (place name).name; } (
        let
          target = "$out${(place name).destination}";
        in
        ''
          mkdir -p "$(dirname "${target}")"
          makeWrapper ${inner}${(place name).destination} "${target}" ${toString arguments}
        ''
      );

  shell =
    interpreter: name:
    { makeWrapperArgs ? [ ], check ? "" }:
    content: wrapped name makeWrapperArgs (script { inherit interpreter; } name content);

  python =
    interpreterPackage: name:
    {
      libraries ? [ ],
      # Which complaints of a linter to ignore; scripts are not linted here.
      flakeIgnore ? [ ],
      doCheck ? true,
      makeWrapperArgs ? [ ],
    }:
    content:
    wrapped name makeWrapperArgs (
      script {
        interpreter = (
          if libraries == [ ] then
            interpreterPackage.interpreter
          else
            (interpreterPackage.withPackages (_: libraries)).interpreter
        );
      } name content
    );

  perl =
    name:
    { libraries ? [ ], makeWrapperArgs ? [ ] }:
    content:
    wrapped name makeWrapperArgs (
      script {
        interpreter = "${if libraries == [ ] then final.perl else final.perl.withPackages (_: libraries)}/bin/perl";
      } name content
    );

  simpleLanguage = interpreter: flexible (shell interpreter);
  bin = write: name: write "/bin/${name}";

  data =
    generate: nameOrPath: value:
    let
      at = place nameOrPath;
    in
    simple.text {
      inherit (at) name destination;
      text = generate value;
    };

  # A program for the compiler of C.
  compiled =
    name: content:
    let
      at = place name;
    in
    final.runCommandCC at.name { inherit content; passAsFile = [ "content" ]; meta.mainProgram = at.name; } ''
      target="$out${at.destination}"
      mkdir -p "$(dirname "$target")"
      gcc -O2 -x c "$contentPath" -o "$target"
    '';
  texts = import ../formats/texts.nix { inherit lib; };

  self = rec {
    makeScriptWriter =
      { interpreter, check ? "", makeWrapperArgs ? [ ] }:
      nameOrPath: content: wrapped nameOrPath makeWrapperArgs (script { inherit interpreter; } nameOrPath content);
    makeScriptWriterBin = options: name: makeScriptWriter options "/bin/${name}";

    writeBash = simpleLanguage "${final.bash}/bin/bash";
    writeBashBin = bin writeBash;
    writeDash = simpleLanguage "${final.dash}/bin/dash";
    writeDashBin = bin writeDash;
    writeFish = simpleLanguage "${final.fish}/bin/fish --no-config";
    writeFishBin = bin writeFish;
    writeNu = simpleLanguage "${final.nushell}/bin/nu --no-config-file";
    writeNuBin = bin writeNu;
    writeBabashka = _: throw "writers.writeBabashka is not supported: Debian has no such package";
    writeRuby = simpleLanguage "${final.ruby}/bin/ruby";
    writeRubyBin = bin writeRuby;
    writeLua = simpleLanguage "${final.lua}/bin/lua";
    writeLuaBin = bin writeLua;
    writeGuile = simpleLanguage "${final.guile}/bin/guile";
    writeGuileBin = bin writeGuile;
    writeJS = simpleLanguage "${final.nodejs}/bin/node";
    writeJSBin = bin writeJS;
    writePerl = flexible perl;
    writePerlBin = bin writePerl;
    writePython3 = flexible (python final.python3);
    writePython3Bin = bin writePython3;
    writePyPy3 = _: throw "writers.writePyPy3 is not supported: use writePython3";
    writeHaskell = _: throw "writers.writeHaskell is not supported: Haskell programs are not built";
    writeRust = _: throw "writers.writeRust is not supported: Rust programs are not built";
    writeC = compiled;
    writeCBin = bin compiled;

    writeText = data (text: text);
    writeJSON = data builtins.toJSON;
    # JSON is YAML.
    writeYAML = data builtins.toJSON;
    writeTOML = data texts.toml;
    writeNginxConfig = data (text: text);
  };
in
self
