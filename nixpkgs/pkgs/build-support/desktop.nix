# Desktop entries.
{ final, lib, simple }:
let
  boolean = value: if value == null then null else if value then "true" else "false";
  list = values: if values == [ ] then null else lib.concatStringsSep ";" values + ";";

  # Lines of a group; null: no line.
  group =
    name: lines:
    "[${name}]\n"
    + lib.concatStrings (
      map (line: "${line.key}=${toString line.value}\n") (builtins.filter (line: line.value != null) lines)
    );
  line = key: value: { inherit key value; };
in
{
  makeDesktopItem =
    {
      name,
      type ? "Application",
      desktopName,
      genericName ? null,
      noDisplay ? null,
      comment ? null,
      icon ? null,
      onlyShowIn ? [ ],
      notShowIn ? [ ],
      dbusActivatable ? null,
      tryExec ? null,
      exec ? null,
      path ? null,
      terminal ? null,
      actions ? { },
      mimeTypes ? [ ],
      categories ? [ ],
      implements ? [ ],
      keywords ? [ ],
      startupNotify ? null,
      startupWMClass ? null,
      url ? null,
      prefersNonDefaultGPU ? null,
      singleMainWindow ? null,
      extraConfig ? { },
      destination ? "/share/applications",
    }:
    if onlyShowIn != [ ] && notShowIn != [ ] then
      throw "makeDesktopItem '${name}': only one of onlyShowIn and notShowIn can be set"
    else if type == "Application" && exec == null && dbusActivatable != true then
      throw "makeDesktopItem '${name}': an application needs 'exec', or 'dbusActivatable = true'"
    else if type == "Link" && url == null then
      throw "makeDesktopItem '${name}': a link needs 'url'"
    else
      simple.text {
        name = "${name}.desktop";
        destination = "${destination}/${name}.desktop";
        text =
          group "Desktop Entry" (
            [
              (line "Type" type)
              (line "Version" "1.5")
              (line "Name" desktopName)
              (line "GenericName" genericName)
              (line "NoDisplay" (boolean noDisplay))
              (line "Comment" comment)
              (line "Icon" icon)
              (line "OnlyShowIn" (list onlyShowIn))
              (line "NotShowIn" (list notShowIn))
              (line "DBusActivatable" (boolean dbusActivatable))
              (line "TryExec" tryExec)
              (line "Exec" exec)
              (line "Path" path)
              (line "Terminal" (boolean terminal))
              (line "Actions" (list (builtins.attrNames actions)))
              (line "MimeType" (list mimeTypes))
              (line "Categories" (list categories))
              (line "Implements" (list implements))
              (line "Keywords" (list keywords))
              (line "StartupNotify" (boolean startupNotify))
              (line "StartupWMClass" startupWMClass)
              (line "URL" url)
              (line "PrefersNonDefaultGPU" (boolean prefersNonDefaultGPU))
              (line "SingleMainWindow" (boolean singleMainWindow))
            ]
            ++ lib.mapAttrsToList line extraConfig
          )
          + lib.concatStrings (
            lib.mapAttrsToList (
              action:
              {
                name,
                icon ? null,
                exec ? null,
              }:
              "\n"
              + group "Desktop Action ${action}" [
                (line "Name" name)
                (line "Icon" icon)
                (line "Exec" exec)
              ]
            ) actions
          );
      };

  # A program of a package, started with every session.
  makeAutostartItem =
    {
      name,
      package,
      srcPrefix ? "",
      after ? null,
      condition ? null,
      phase ? "2",
    }:
    let
      entry = "${package}/share/applications/${srcPrefix}${name}.desktop";
      # Keys that only KDE reads.
      keys =
        lib.optional (after != null) "X-KDE-autostart-after=${after}"
        ++ lib.optional (condition != null) "X-KDE-autostart-condition=${condition}";
    in
    if keys == [ ] && phase == "2" then
      simple.tree {
        name = "autostart-${name}";
        entries = [
          {
            path = "etc/xdg/autostart/${name}.desktop";
            type = "link";
            target = entry;
          }
        ];
      }
    else
      final.runCommandLocal "autostart-${name}" { nativeBuildInputs = [ package ]; } ''
        mkdir -p $out/etc/xdg/autostart
        target=$out/etc/xdg/autostart/${name}.desktop
        cat ${entry} >"$target"
        printf '%s\n' ${lib.escapeShellArgs (keys ++ [ "X-KDE-autostart-phase=${phase}" ])} >>"$target"
      '';
}
