# A machine in QEMU: every machine here is one already.
{ ... }: { }
