#include "CTrees.h"
