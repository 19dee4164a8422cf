# Files whose text is known when the expression is evaluated.
{ final, lib, simple }:
let
  shebang = "#!${final.runtimeShell}\n";

  writeTextFile =
    {
      name ? null,
      pname ? null,
      version ? null,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      passthru ? { },
      allowSubstitutes ? false,
      preferLocalBuild ? true,
      derivationArgs ? { },
    }:
    let
      fullName =
        if name != null then
          name
        else if pname != null then
          "${pname}-${version}"
        else
          throw "writeTextFile: 'name' is missing";
      inBin = builtins.match "/bin/([^/]+)" destination;
      fullMeta = (if executable && inBin != null then { mainProgram = builtins.head inBin; } else { }) // meta;
      # What only a process can do.
      needsProcess = checkPhase != "" || derivationArgs != { };
    in
    if destination != "" && !(lib.hasPrefix "/" destination) then
      throw "writeTextFile '${fullName}': destination must start with '/', as in \"/bin/foo\"; got '${destination}'"
    else if needsProcess then
      final.runCommand fullName
        (
          {
            inherit text executable checkPhase;
            destination = destination;
            passAsFile = [ "text" ] ++ derivationArgs.passAsFile or [ ];
            meta = fullMeta;
            inherit passthru;
          }
          // removeAttrs derivationArgs [ "passAsFile" ]
        )
        ''
          target=$out$destination
          mkdir -p "$(dirname "$target")"
          if [ -e "$textPath" ]; then mv "$textPath" "$target"; else printf '%s' "$text" >"$target"; fi
          if [ -n "$executable" ]; then chmod +x "$target"; fi
          eval "$checkPhase"
        ''
    else
      simple.text {
        name = fullName;
        inherit
          text
          destination
          executable
          passthru
          ;
        meta = fullMeta;
        extra = (if pname != null then { inherit pname version; } else { });
      };

  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      runtimeEnv ? null,
      meta ? { },
      passthru ? { },
      checkPhase ? null,
      # What ShellCheck would look for. Scripts are not linted here: that would need a process
      # for every script.
      excludeShellChecks ? [ ],
      extraShellCheckFlags ? [ ],
      bashOptions ? [
        "errexit"
        "nounset"
        "pipefail"
      ],
      derivationArgs ? { },
      inheritPath ? true,
    }:
    writeTextFile {
      inherit name meta passthru derivationArgs;
      executable = true;
      destination = "/bin/${name}";
      checkPhase = if checkPhase == null then "" else checkPhase;
      text =
        shebang
        + lib.concatMapStrings (option: "set -o ${option}\n") bashOptions
        + lib.optionalString (runtimeEnv != null) (
          lib.concatStringsSep "" (
            lib.mapAttrsToList (variable: value: ''
              ${if builtins.isList value then "${variable}=(${lib.escapeShellArgs value})" else "${variable}=${lib.escapeShellArg value}"}
              export ${variable}
            '') runtimeEnv
          )
        )
        + lib.optionalString (runtimeInputs != [ ] || !inheritPath) ''

          export PATH="${lib.makeBinPath runtimeInputs}${lib.optionalString inheritPath ":$PATH"}"
        ''
        + ''

          ${text}
        '';
    };
in
{
  inherit writeTextFile writeShellApplication;

  runtimeShell = "${final.bash}/bin/bash";
  runtimeShellPackage = final.bash;

  writeText = name: text: simple.text { inherit name text; };

  writeTextDir =
    path: text:
    simple.text {
      name = builtins.baseNameOf path;
      inherit text;
      destination = "/${path}";
    };

  writeScript =
    name: text:
    simple.text {
      inherit name text;
      executable = true;
    };

  writeScriptBin =
    name: text:
    simple.text {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };

  writeShellScript =
    name: text:
    simple.text {
      inherit name;
      executable = true;
      text = "${shebang}${text}\n";
    };

  writeShellScriptBin =
    name: text:
    simple.text {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      text = "${shebang}${text}\n";
      meta.mainProgram = name;
    };

  emptyFile = simple.text {
    name = "empty-file";
    text = "";
  };
}
