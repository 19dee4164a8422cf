# Replacing `@name@` in texts: while evaluating where the text can be read then, by a process
# otherwise.
{ final, lib, simple }:
let
  # Whether the file is there while evaluating.
  readable = src: builtins.isPath src || (builtins.isString src && !(builtins.hasContext src));

  nameOf =
    src:
    if builtins.isAttrs src then
      src.name
    else
      let
        base = builtins.unsafeDiscardStringContext (builtins.baseNameOf src);
        hashed = builtins.match "[0-9a-z]{32}-(.*)" base;
      in
      if hashed == null then base else builtins.head hashed;

  isName = name: builtins.match "[a-zA-Z_][0-9A-Za-z_'-]*" name != null;

  # Every @name@ that a text still has.
  left =
    text:
    builtins.concatMap (part: if builtins.isList part then part else [ ]) (
      builtins.split "@([a-zA-Z_][0-9A-Za-z_'-]*)@" text
    );

  replaceVarsWith =
    {
      src,
      replacements,
      name ? nameOf src,
      dir ? null,
      isExecutable ? false,
      meta ? { },
      passthru ? { },
      ...
    }@args:
    let
      names = builtins.attrNames replacements;
      given = builtins.filter (n: replacements.${n} != null) names;
      kept = builtins.filter (n: replacements.${n} == null) names;
      text = builtins.readFile src;
      values = map (n: toString replacements.${n}) given;
      replaced = builtins.replaceStrings (map (n: "@${n}@") given) values text;
      missing = builtins.filter (n: !(lib.hasInfix "@${n}@" text)) given;
      unknown = builtins.filter (n: !(builtins.elem n names)) (left text);
      destination = lib.optionalString (dir != null) "/${dir}/${name}";
      executable = isExecutable;
    in
    if !(builtins.all isName names) then
      throw "replaceVars '${name}': '${lib.head (builtins.filter (n: !isName n) names)}' is no name of a variable"
    else if readable src then
      if missing != [ ] then
        throw "replaceVars '${name}': @${builtins.head missing}@ does not occur in ${toString src}"
      else if unknown != [ ] then
        throw "replaceVars '${name}': ${toString src} has @${builtins.head unknown}@, for which there is no replacement"
      else
        simple.text {
          inherit
            name
            destination
            executable
            meta
            passthru
            ;
          text = replaced;
        }
    else
      final.runCommand name
        {
          inherit
            src
            destination
            executable
            meta
            passthru
            ;
        }
        ''
          target=$out$destination
          mkdir -p "$(dirname "$target")"
          substitute "$src" "$target" ${
            lib.concatMapStringsSep " " (n: "--replace-fail ${lib.escapeShellArg "@${n}@"} ${lib.escapeShellArg (toString replacements.${n})}") given
          }
          ${lib.optionalString (kept == [ ]) ''
            if grep -E "@[a-zA-Z_][0-9A-Za-z_'-]*@" "$target"; then
              echo "the lines above have variables without a replacement" >&2
              exit 1
            fi
          ''}
          if [ -n "$executable" ]; then chmod +x "$target"; fi
        '';
in
{
  inherit replaceVarsWith;
  replaceVars = src: replacements: replaceVarsWith { inherit src replacements; };

  substituteAll =
    {
      src,
      name ? nameOf src,
      dir ? null,
      isExecutable ? false,
      ...
    }@args:
    let
      variables = removeAttrs args [
        "src"
        "dir"
        "isExecutable"
        "postInstall"
        "meta"
        "passthru"
      ];
      names = builtins.filter (n: builtins.match "[a-z][a-zA-Z0-9_]*" n != null) (
        builtins.attrNames variables
      );
    in
    if readable src && !(args ? postInstall) then
      simple.text {
        inherit name;
        destination = lib.optionalString (dir != null) "/${dir}/${name}";
        executable = isExecutable;
        text = builtins.replaceStrings (map (n: "@${n}@") names) (map (
          n: toString variables.${n}
        ) names) (builtins.readFile src);
      }
    else
      final.runCommand name
        (
          removeAttrs args [
            "name"
            "dir"
            "isExecutable"
          ]
          // {
            destination = lib.optionalString (dir != null) "/${dir}/${name}";
            executable = isExecutable;
          }
        )
        ''
          target=$out$destination
          mkdir -p "$(dirname "$target")"
          substituteAll "$src" "$target"
          if [ -n "$executable" ]; then chmod +x "$target"; fi
          eval "''${postInstall-}"
        '';

  substitute =
    {
      src,
      name ? nameOf src,
      substitutions ? null,
      replacements ? null,
      isExecutable ? false,
      ...
    }@args:
    final.runCommand name
      (
        removeAttrs args [
          "name"
          "substitutions"
          "replacements"
          "isExecutable"
        ]
        // {
          executable = isExecutable;
        }
      )
      ''
        substitute "$src" "$out" ${
          if substitutions != null then lib.escapeShellArgs substitutions else toString replacements
        }
        if [ -n "$executable" ]; then chmod +x "$out"; fi
      '';
}
