"""How the cost grows with heights and with clients. Has no goals; goes to growth.csv and the plots. On tmpfs, where the device does
not hide it."""
import csv

from measure import column, number
from servers import Daemon

CHUNK = 500_000  # heights, between two looks at the clock
RESERVE_SECONDS = 19.0  # what is left to measure takes so long
COLUMNS = ("by", "at", "data_on", "metric", "value", "value_min", "value_max")


class Growth:
    def __init__(self, path):
        self.path = path
        self.points = []  # (by, at, metric, values)

    def measure(self, bench, daemon, by, at, clients):
        seconds, rounds = bench.seconds(0.25), bench.rounds(3, 1)
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


def grow(bench, daemon, there, heights):
    """Commits up to so many heights, as far as time lets it. Returns how many there are."""
    while there < heights and (there < heights // 10 or bench.left() > RESERVE_SECONDS):
        more = min(heights - there, CHUNK)
        bench.load_one(daemon, f"commit,batch=1000,header=32,size=32,level=written,depth=8,count={more}")
        there += more
    return there


def growth(bench):
    found = bench.results.growth = Growth(bench.arguments.out / "growth.csv")
    place = bench.tmpfs
    sizes = (10_000, 100_000) if bench.quick else (10_000, 1_000_000, 10_000_000)
    with place.directory() as directory, Daemon(bench, directory) as daemon:
        there = 0
        for heights in sizes:
            bench.say(f"up to {heights} heights")
            before, there = there, grow(bench, daemon, there, heights)
            if there > before:
                bench.settle()
                found.measure(bench, daemon, "heights", there, 1)
                found.write(place)
            if there < heights:
                bench.say(f"NOT {heights}: only {there} within the {bench.arguments.minutes:g} minutes that a run may take")
                break
            if heights == sizes[0]:
                for clients in (1, 8, 64, 512):
                    bench.say(f"at {clients} clients")
                    found.measure(bench, daemon, "clients", clients, clients)
                    found.write(place)
    return (f"Has no goal. Up to {there} heights; commits of 1 kB are durable, on tmpfs; the heights before them have headers and data of "
            f"32 bytes, headers are read anywhere in the chain. Clients: with {sizes[0]} heights.")  # fmt: skip
