    /* private members of ai_meter_t; shaped by ai_meter.c */
    uint64_t         raw[32];
