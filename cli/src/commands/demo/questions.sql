-- How did flight 3 differ from the golden flight?
SELECT f.phase, count(*) AS samples,
       round(max(abs(f.air_speed - g.air_speed)), 1)               AS most_d_speed_m_s,
       round(max(abs(f.altitude - g.altitude)))                    AS most_d_altitude_m,
       round(max(f.dynamic_pressure) - max(g.dynamic_pressure))    AS d_max_q_pa
FROM guidance f JOIN guidance g ON g.met = f.met AND g.flight = 'F01'
WHERE f.flight = 'F03' AND f.phase = g.phase
GROUP BY f.phase ORDER BY min(f.met);

-- Which engine drifted? (the bands of its turbopump's bearing)
SELECT flight, engine, round(max(overall), 2)                      AS most_g,
       round(max(bands[15] + bands[16] + bands[17]), 2)            AS bearing_bands_g,
       round(regr_slope(overall, extract(epoch FROM time)), 4)     AS g_per_s
FROM engine_vibration GROUP BY flight, engine ORDER BY most_g DESC LIMIT 4;

-- Which valve stuck? (position beside command)
SELECT flight, engine, min(time) AS since, max(time) AS until,
       round(avg(ox_valve_position - ox_valve_command), 1)         AS off_by_pct,
       round(max(mixture_ratio), 2)                                AS mixture
FROM engine WHERE state = 'RUN' AND abs(ox_valve_position - ox_valve_command) > 5
GROUP BY flight, engine;

-- What was lost on which pass, and was it filled later?
SELECT l.source, g.kind, g.from_seq, g.to_seq, g.missing, count(p.time) AS there_now
FROM _gaps g
JOIN _ledger l ON l.ingest_id = g.ingest_id AND l.table_name = g.table_name
LEFT JOIN sat_power p ON strpos(l.source, '/' || p.satellite || '/') > 0
     AND p.time BETWEEN g.from_time AND g.to_time
     AND p.seq_count BETWEEN g.from_seq AND g.to_seq
WHERE g.table_name = 'sat_power' AND g.missing > 0
GROUP BY ALL ORDER BY l.source;

-- Which tank leaks? (of a gas: pressure over temperature)
SELECT satellite, round(100 * 3600
       * regr_slope(tank_pressure / tank_temperature, extract(epoch FROM time))
       / avg(tank_pressure / tank_temperature), 2)                 AS pct_per_hour
FROM sat_propulsion WHERE time > '2024-01-01' GROUP BY satellite ORDER BY pct_per_hour;

-- Which sensor froze?
SELECT satellite, sensor, min(at) AS since, max(at) + INTERVAL '10 minutes' AS until
FROM (SELECT satellite, sensor, date_bin(INTERVAL '10 minutes', time) AS at
      FROM (SELECT satellite, time, unnest(range(1, 9)) AS sensor,
                   unnest(temperature__raw) AS raw
            FROM sat_thermal WHERE time > '2024-01-01')
      GROUP BY 1, 2, 3 HAVING count(*) > 30 AND count(DISTINCT raw) = 1)
GROUP BY satellite, sensor;
