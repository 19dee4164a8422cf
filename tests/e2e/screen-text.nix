# Text on a machine's screen, read by tesseract.
{
  name = "screen-text";
  enableOCR = true;

  nodes.machine = {
    services.getty.helpLine = "PLEASE READ THIS SCREEN";
  };

  testScript = ''
    machine.wait_until_tty_matches("1", "login: ")
    machine.wait_for_text("(?i)read this screen", timeout=300)
    assert "PLEASE READ" in machine.get_screen_text().upper()
    assert len(machine.get_screen_text_variants()) >= 2
  '';
}
