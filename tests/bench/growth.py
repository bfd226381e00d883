"""How the cost grows with heights and with clients. Has no goals; goes to growth.csv and the plots. On tmpfs, where the device does
not hide it."""
import csv

from measure import column, number
from servers import Daemon

COLUMNS = ("by", "at", "data_on", "metric", "value", "value_min", "value_max")


class Growth:
    def __init__(self, path):
        self.path = path
        self.points = []  # (by, at, metric, values)

    def measure(self, bench, daemon, by, at, clients):
        seconds, rounds = bench.seconds(0.5), bench.rounds(3, 1)
        many = f"clients={clients},depth=1"
        for workload, metrics in (
            (f"commit,size=1000,{many}", (("commit_rate", "rate"), ("commit_p99_us", "p99_us"))),
            (f"header,{many}", (("header_rate", "rate"), ("header_p99_us", "p99_us"))),
            (f"get,names=64,{many}", (("get_rate", "rate"), ("get_p99_us", "p99_us"))),
        ):
            lines = [bench.load_one(daemon, workload, seconds) for _ in range(rounds)]
            for metric, name in metrics:
                self.points.append((by, at, metric, sorted(column(lines, name))))

    def write(self, place):
        with open(self.path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for by, at, metric, values in self.points:
                middle = values[len(values) // 2]
                writer.writerow((by, at, place.name, metric, *map(number, (middle, values[0], values[-1]))))


def growth(bench):
    found = bench.results.growth = Growth(bench.arguments.out / "growth.csv")
    place = bench.tmpfs
    sizes = (10_000, 100_000) if bench.quick else (10_000, 1_000_000, 10_000_000)
    with place.directory() as directory, Daemon(bench, directory) as daemon:
        there = 0
        for heights in sizes:
            bench.say(f"at {heights} heights")
            more = heights - there
            bench.load_one(daemon, f"commit,batch=1000,header=100,size=100,level=written,depth=4,count={more}")
            there = heights
            found.measure(bench, daemon, "heights", heights, 1)
            found.write(place)
            if heights == sizes[0]:
                for clients in (1, 8, 64, 512):
                    bench.say(f"at {clients} clients")
                    found.measure(bench, daemon, "clients", clients, clients)
                    found.write(place)
    return ("Has no goal. Commits of 1 kB are durable, on tmpfs; the heights before them have headers and data of 100 bytes, headers are "
            "read anywhere in the chain. With clients at 10,000 heights.")  # fmt: skip
