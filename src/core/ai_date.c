
/*
 * Dates.
 */


#include "ai_date.h"


/* a shape: 'd' is a digit, every other character is itself */

static int
ai_date_shape(const ai_char *data, size_t len, const char *shape)
{
    size_t  i;

    if (strlen(shape) != len) {
        return 0;
    }

    for (i = 0; i < len; i++) {

        if (shape[i] != 'd') {
            if (data[i] != (ai_char) shape[i]) {
                return 0;
            }

        } else if (data[i] < '0' || data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static unsigned
ai_date_number(const ai_char *data, unsigned digits)
{
    unsigned  n;

    for (n = 0; digits; digits--) {
        n = n * 10 + (*data++ - '0');
    }

    return n;
}


static unsigned
ai_date_month_days(unsigned year, unsigned month)
{
    static const unsigned char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


/* the inverse of what ai_buf_time() does, years begin in March */

static uint64_t
ai_date_days(unsigned year, unsigned month, unsigned day)
{
    unsigned  era, yoe, doy;

    year -= (month <= 2);
    month = (month > 2) ? month - 3 : month + 9;

    era = year / 400;
    yoe = year - era * 400;
    doy = (153 * month + 2) / 5 + day - 1;

    return (uint64_t) era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy
           - 719468;
}


int
ai_date_parse(const ai_char *data, size_t len, uint64_t *seconds)
{
    unsigned  year, month, day, hour, min, sec;

    hour = 0;
    min = 0;
    sec = 0;

    if (ai_date_shape(data, len, "dddd-dd-ddTdd:dd:ddZ")) {
        hour = ai_date_number(data + 11, 2);
        min = ai_date_number(data + 14, 2);
        sec = ai_date_number(data + 17, 2);

    } else if (!ai_date_shape(data, len, "dddd-dd-dd")) {
        return AI_ERROR;
    }

    year = ai_date_number(data, 4);
    month = ai_date_number(data + 5, 2);
    day = ai_date_number(data + 8, 2);

    if (year < 1970 || month < 1 || month > 12 || day < 1
        || day > ai_date_month_days(year, month)
        || hour > 23 || min > 59 || sec > 59)
    {
        return AI_ERROR;
    }

    *seconds = ai_date_days(year, month, day) * 86400
               + hour * 3600 + min * 60 + sec;

    return AI_OK;
}
