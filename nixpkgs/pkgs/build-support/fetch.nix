{ final, lib, simple }: { }
