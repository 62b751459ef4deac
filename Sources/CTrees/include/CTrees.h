/// The tree kernel's loops: bins of feature values, and trees over bins.
#ifndef MILLRACE_CTREES_H
#define MILLRACE_CTREES_H

#include <stdint.h>

#endif
