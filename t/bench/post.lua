-- wrk -s post.lua URL -- BODY_FILE [KEYS_FILE]: posts the file's bytes; with a
-- file of keys each request takes the next one.  The last line is JSON.

local keys, at = {}, 0

function init(args)
    local f = assert(io.open(args[1], "rb"))

    wrk.method = "POST"
    wrk.body = f:read("*a")
    wrk.headers["Content-Type"] = "application/json"
    f:close()

    for line in io.lines(args[2]) do
        keys[#keys + 1] = "Bearer " .. line
    end

    wrk.headers["Authorization"] = keys[1]
end

local one

function request()
    if #keys == 1 then
        one = one or wrk.format()
        return one
    end

    at = at % #keys + 1
    wrk.headers["Authorization"] = keys[at]

    return wrk.format()
end

function done(summary, latency, requests)
    local e = summary.errors

    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50":%d,"p99":%d,"errors":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99), e.connect + e.read + e.write + e.status
        + e.timeout))
end
