/* getopt_long with its global variables handed over as arguments, which Swift may not touch. */
#pragma once

#include <getopt.h>

/* Parses the next option of argv, which glibc permutes. `restart` begins a new argv. Returns the
 * option's `val`, -1 at the end of the options, '?' for an unknown one, ':' for one without its
 * value. `*value` is the option's argument or NULL; `*next` the index of the word behind. */
int millrace_getopt(
    int argc, char **argv, const struct option *table, int restart, const char **value, int *next);
