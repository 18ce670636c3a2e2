-- wrk -s load.lua URL -- KEY: small chat requests, each connection with pauses

function init(args)
    wrk.method = "POST"
    wrk.body = '{"model":"gpt-4.1","max_tokens":64,"messages":'
        .. '[{"role":"user","content":"Hello"}]}'
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer " .. args[1]
end

function delay()
    return math.random(0, 50)
end
