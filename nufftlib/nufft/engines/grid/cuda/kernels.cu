// The grid engine on CUDA: the kernels on points, voxels and cells.
//
// Grids (coils, n0, n1, n2), images (coils, N0, N1, N2) and data (coils, samples) lie one coil
// after the other, the points as (axis, sample). One and two dimensions are three with
// axes of one cell in front. Every scalar is a long long, as CuPy passes an int.
//
// LANES threads of a warp share a point: they compute its weights once, for all coils, and
// each takes every LANES-th of the WIDTH^NDIM cells that it covers ("taps").
//
// THREADS, SCAN, BATCH and CHUNK are defined by cuda.py, which launches the kernels.

typedef long long Int;

template <typename T, int PARTS> struct alignas(PARTS * sizeof(T)) Number {
    T part[PARTS];
};

constexpr unsigned WARP = 0xffffffff;

__host__ __device__ constexpr int power(int base, int exponent) {
    return exponent ? base * power(base, exponent - 1) : 1;
}

// The size along one of the last NDIM axes; a run-time index would put an array in memory.
template <int NDIM> __device__ int size_of(int axis, Int n0, Int n1, Int n2) {
    const int at = axis + 3 - NDIM;
    return int(at == 0 ? n0 : at == 1 ? n1 : n2);
}

// --- points ------------------------------------------------------------------------------

// (samples, NDIM) to (NDIM, samples), within one period.
template <typename T, int NDIM>
__global__ void fold(const T *__restrict__ trajectory, T *__restrict__ points, Int samples) {
    const Int j = blockIdx.x * Int(blockDim.x) + threadIdx.x;
    if (j >= samples) return;
    for (int axis = 0; axis < NDIM; ++axis) {
        const T k = trajectory[j * NDIM + axis];
        points[axis * samples + j] = k - rint(k);
    }
}

// The first cell that a point covers along an axis, and where in its cell it lies: the argument
// of the polynomials. In double precision, in which the product with the size is exact
// for a point in single precision. Of a NaN the cells are any, and the weights NaN.
template <typename T, int WIDTH> __device__ int locate(T k, int size, T &x) {
    const double left = double(k) * size - 0.5 * WIDTH, whole = ceil(left);
    x = T(2.0 * (whole - left) - 1.0);
    int first = whole == whole ? int(whole) : 0;
    while (first < 0) first += size;
    while (first >= size) first -= size;
    return first;
}

// polynomials (axis, order of the derivative, power, cell), by Horner's rule.
template <typename T, int WIDTH, int DEGREE>
__device__ T evaluate(const T *__restrict__ polynomials, int axis, int order, int cell, T x) {
    const T *p = polynomials + Int(axis * 3 + order) * (DEGREE + 1) * WIDTH + cell;
    T value = p[DEGREE * WIDTH];
#pragma unroll
    for (int n = DEGREE - 1; n >= 0; --n) value = value * x + p[n * WIDTH];
    return value;
}

// The taps of a point, as factors for each axis.
template <typename T, int NDIM, int WIDTH, int ORDERS> struct Taps {
    T weight[NDIM][ORDERS][WIDTH];
    int cell[NDIM][WIDTH];

    // Fill in one of the NDIM * WIDTH factors.
    template <int DEGREE>
    __device__ void fill(int item, const T *__restrict__ points, Int samples, Int j,
                         const T *__restrict__ polynomials, Int n0, Int n1, Int n2) {
        const int axis = item / WIDTH, at = item % WIDTH;
        const int size = size_of<NDIM>(axis, n0, n1, n2);
        T x;
        int place = locate<T, WIDTH>(points[axis * samples + j], size, x) + at;
        while (place >= size) place -= size;
        cell[axis][at] = place;
#pragma unroll
        for (int order = 0; order < ORDERS; ++order)
            weight[axis][order][at] = evaluate<T, WIDTH, DEGREE>(polynomials, axis, order, at, x);
    }
};

// One tap: its factors for each axis and order.
template <typename T, int NDIM, int ORDERS> struct Tap {
    T factor[NDIM][ORDERS];
    int place[NDIM];

    template <int WIDTH> __device__ Tap(const Taps<T, NDIM, WIDTH, ORDERS> &taps, int number) {
#pragma unroll
        for (int axis = NDIM - 1; axis >= 0; --axis) {
            place[axis] = number % WIDTH;
            number /= WIDTH;
#pragma unroll
            for (int order = 0; order < ORDERS; ++order)
                factor[axis][order] = taps.weight[axis][order][place[axis]];
        }
    }

    // Its weight, or the derivative of that by the coordinates `a` and `c`, where not negative.
    __device__ T weight(int a = -1, int c = -1) const {
        T product = 1;
#pragma unroll
        for (int axis = 0; axis < NDIM; ++axis) {
            const int order = (axis == a) + (axis == c);
            product *= factor[axis][order < ORDERS ? order : 0];
        }
        return product;
    }

    template <int WIDTH>
    __device__ Int cell(const Taps<T, NDIM, WIDTH, ORDERS> &taps, Int n0, Int n1, Int n2) const {
        Int at = 0;
#pragma unroll
        for (int axis = 0; axis < NDIM; ++axis)
            at = at * size_of<NDIM>(axis, n0, n1, n2) + taps.cell[axis][place[axis]];
        return at;
    }
};

// --- reading the grid ----------------------------------------------------------------------

// Sum v[0 ... K) over the lanes of a point. The sums are dealt out: a lane is left with
// those numbered `begin ... begin + count`. That takes K shuffles, not K log2(LANES).
template <int K, int LANES, typename T, int N>
__device__ void deal_sums(T (&v)[N], int lane, int &begin, int &count) {
    if constexpr (LANES > 1) {
        constexpr int HALF = (K + 1) / 2;
        const bool upper = lane & (LANES / 2);
#pragma unroll
        for (int i = 0; i < HALF; ++i) {
            const T low = v[i], high = HALF + i < K ? v[HALF + i < K ? HALF + i : 0] : T(0);
            v[i] = (upper ? high : low) + __shfl_xor_sync(WARP, upper ? low : high, LANES / 2);
        }
        if (upper) {
            begin += HALF;
            count -= HALF;
        } else if (count > HALF) {
            count = HALF;
        }
        deal_sums<HALF, LANES / 2>(v, lane, begin, count);
    }
}

// data (coils, samples) become the values, and derivatives (axis, coils, samples), `stride` numbers from
// axis to axis, the first derivatives if DERIVATIVES.
template <typename T, int NDIM, int WIDTH, int DEGREE, int PARTS, int LANES, int COILS,
          int DERIVATIVES>
__global__ void __launch_bounds__(THREADS)
    interpolate(const Number<T, PARTS> *__restrict__ grid, Int n0, Int n1, Int n2,
                const T *__restrict__ points, const int *__restrict__ order,
                const T *__restrict__ polynomials, Int samples, Int coils, T *__restrict__ data,
                T *__restrict__ derivatives, Int stride) {
    constexpr int RESULTS = DERIVATIVES ? 1 + NDIM : 1, SUMS = RESULTS * COILS * PARTS;
    __shared__ Taps<T, NDIM, WIDTH, 1 + DERIVATIVES> shared[THREADS / LANES];
    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const Int i = blockIdx.x * Int(THREADS / LANES) + group;
    const bool inside = i < samples; // the others go along: whole warps shuffle
    const Int j = inside ? (order ? order[i] : i) : 0;
    auto &taps = shared[group];
    for (int item = lane; item < NDIM * WIDTH; item += LANES)
        taps.template fill<DEGREE>(item, points, samples, j, polynomials, n0, n1, n2);
    __syncwarp();

    for (Int c0 = 0; c0 < coils; c0 += COILS) {
        T sums[SUMS] = {};
        for (int number = lane; number < power(WIDTH, NDIM); number += LANES) {
            const Tap<T, NDIM, 1 + DERIVATIVES> tap(taps, number);
            const Number<T, PARTS> *at = grid + tap.cell(taps, n0, n1, n2);
            T w[RESULTS];
#pragma unroll
            for (int result = 0; result < RESULTS; ++result) w[result] = tap.weight(result - 1);
#pragma unroll
            for (int c = 0; c < COILS; ++c) {
                if (c0 + c >= coils) continue;
                const Number<T, PARTS> g = at[(c0 + c) * (n0 * n1 * n2)];
#pragma unroll
                for (int result = 0; result < RESULTS; ++result)
#pragma unroll
                    for (int part = 0; part < PARTS; ++part)
                        sums[(result * COILS + c) * PARTS + part] += w[result] * g.part[part];
            }
        }
        int begin = 0, count = SUMS;
        deal_sums<SUMS, LANES>(sums, lane, begin, count);
#pragma unroll
        for (int s = 0; s < (SUMS + LANES - 1) / LANES; ++s) {
            const int number = begin + s, part = number % PARTS, result = number / PARTS / COILS;
            const Int c = c0 + number / PARTS % COILS;
            if (!inside || s >= count || c >= coils) continue;
            T *to = result == 0 ? data : derivatives + (result - 1) * stride * PARTS;
            to[(c * samples + j) * PARTS + part] = sums[s];
        }
    }
}

// out[j] (+)= sum over the coils of <data[:, j], derivatives of the value>: the gradient
// (samples, NDIM) of ORDER 1, the blocks (samples, NDIM, NDIM) of ORDER 2.
template <typename T, int NDIM, int WIDTH, int DEGREE, int LANES, int COILS, int ORDER>
__global__ void __launch_bounds__(THREADS)
    contract(const Number<T, 2> *__restrict__ grid, Int n0, Int n1, Int n2,
             const T *__restrict__ points, const int *__restrict__ order,
             const T *__restrict__ polynomials, Int samples, Int coils,
             const Number<T, 2> *__restrict__ data, T *__restrict__ out, Int add) {
    constexpr int SUMS = ORDER == 1 ? NDIM : NDIM * (NDIM + 1) / 2;
    __shared__ Taps<T, NDIM, WIDTH, 1 + ORDER> shared[THREADS / LANES];
    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const Int i = blockIdx.x * Int(THREADS / LANES) + group;
    const bool inside = i < samples;
    const Int j = inside ? (order ? order[i] : i) : 0;
    auto &taps = shared[group];
    for (int item = lane; item < NDIM * WIDTH; item += LANES)
        taps.template fill<DEGREE>(item, points, samples, j, polynomials, n0, n1, n2);
    __syncwarp();

    T sums[SUMS] = {};
    for (Int c0 = 0; c0 < coils; c0 += COILS) {
        Number<T, 2> y[COILS] = {};
#pragma unroll
        for (int c = 0; c < COILS; ++c)
            if (c0 + c < coils) y[c] = data[(c0 + c) * samples + j];
        for (int number = lane; number < power(WIDTH, NDIM); number += LANES) {
            const Tap<T, NDIM, 1 + ORDER> tap(taps, number);
            const Number<T, 2> *at = grid + tap.cell(taps, n0, n1, n2);
            T inner = 0; // the coils share the tap's weight: they are summed first
#pragma unroll
            for (int c = 0; c < COILS; ++c) {
                if (c0 + c >= coils) continue;
                const Number<T, 2> g = at[(c0 + c) * (n0 * n1 * n2)];
                inner += y[c].part[0] * g.part[0] + y[c].part[1] * g.part[1];
            }
            int sum = 0;
#pragma unroll
            for (int a = 0; a < NDIM; ++a)
#pragma unroll
                for (int b = a; b < (ORDER == 1 ? a + 1 : NDIM); ++b)
                    sums[sum++] += inner * tap.weight(a, ORDER == 1 ? -1 : b);
        }
    }
    int begin = 0, count = SUMS;
    deal_sums<SUMS, LANES>(sums, lane, begin, count);
    auto write = [&](Int at, T value) { out[at] = add ? out[at] + value : value; };
#pragma unroll
    for (int s = 0; s < (SUMS + LANES - 1) / LANES; ++s) {
        if (!inside || s >= count) continue;
        if constexpr (ORDER == 1) {
            write(j * NDIM + begin + s, sums[s]);
        } else {
            int a = 0, b = begin + s; // the pair a <= b of that number
            while (b >= NDIM - a) b -= NDIM - a++;
            b += a;
            write((j * NDIM + a) * NDIM + b, sums[s]);
            if (b != a) write((j * NDIM + b) * NDIM + a, sums[s]);
        }
    }
}

// --- adding to the grid ----------------------------------------------------------------------

template <typename T, int PARTS> __device__ void add_to(Number<T, PARTS> *cell, Number<T, PARTS> y) {
#pragma unroll
    for (int part = 0; part < PARTS; ++part) atomicAdd(&cell->part[part], y.part[part]);
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
template <> __device__ inline void add_to(Number<float, 2> *cell, Number<float, 2> y) {
    atomicAdd(reinterpret_cast<float2 *>(cell), make_float2(y.part[0], y.part[1]));
}
#endif

// The weight of a tap, or if DIRECTED the derivative of that along `direction`.
template <int DIRECTED, typename T, int NDIM>
__device__ T weight_along(const Tap<T, NDIM, 1 + DIRECTED> &tap, const T (&direction)[NDIM]) {
    if constexpr (DIRECTED) {
        T sum = 0;
#pragma unroll
        for (int axis = 0; axis < NDIM; ++axis) sum += direction[axis] * tap.weight(axis);
        return sum;
    } else {
        return tap.weight();
    }
}

// grid += data, straight to the grid: the transpose of the values of `interpolate`.
template <typename T, int NDIM, int WIDTH, int DEGREE, int PARTS, int LANES, int DIRECTED>
__global__ void __launch_bounds__(THREADS)
    spread(Number<T, PARTS> *__restrict__ grid, Int n0, Int n1, Int n2,
           const T *__restrict__ points, const int *__restrict__ order,
           const T *__restrict__ polynomials, Int samples, Int coils,
           const Number<T, PARTS> *__restrict__ data, const T *__restrict__ directions) {
    __shared__ Taps<T, NDIM, WIDTH, 1 + DIRECTED> shared[THREADS / LANES];
    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const Int i = blockIdx.x * Int(THREADS / LANES) + group;
    const bool inside = i < samples;
    const Int j = inside ? (order ? order[i] : i) : 0;
    auto &taps = shared[group];
    for (int item = lane; item < NDIM * WIDTH; item += LANES)
        taps.template fill<DEGREE>(item, points, samples, j, polynomials, n0, n1, n2);
    T direction[NDIM] = {};
    if (DIRECTED)
        for (int axis = 0; axis < NDIM; ++axis) direction[axis] = directions[j * NDIM + axis];
    __syncwarp();
    if (!inside) return;
    for (int number = lane; number < power(WIDTH, NDIM); number += LANES) {
        const Tap<T, NDIM, 1 + DIRECTED> tap(taps, number);
        Number<T, PARTS> *at = grid + tap.cell(taps, n0, n1, n2);
        const T w = weight_along<DIRECTED>(tap, direction);
#pragma unroll 4
        for (Int c = 0; c < coils; ++c) {
            Number<T, PARTS> y = data[c * samples + j];
#pragma unroll
            for (int part = 0; part < PARTS; ++part) y.part[part] *= w;
            add_to(at + c * (n0 * n1 * n2), y);
        }
    }
}

// The same by tiles in shared memory. A block takes at most CHUNK points of one bin, EDGE
// cells wide, and COILS coils, one for each of its warps: a warp adds point after point to a
// tile of its own, its lanes to different cells, so that no two threads want the same cell
// and nothing is atomic until the tile goes to the grid.
template <typename T, int NDIM, int WIDTH, int DEGREE, int PARTS, int EDGE, int COILS,
          int DIRECTED>
__global__ void __launch_bounds__(32 * COILS)
    spread_tiles(Number<T, PARTS> *__restrict__ grid, Int n0, Int n1, Int n2,
                 const T *__restrict__ points, const int *__restrict__ order,
                 const int *__restrict__ starts, const int *__restrict__ problems,
                 const int *__restrict__ bin_of, Int bins, const T *__restrict__ polynomials,
                 Int samples, Int coils, const Number<T, PARTS> *__restrict__ data,
                 const T *__restrict__ directions) {
    constexpr int SIDE = EDGE + WIDTH - 1, CELLS = power(SIDE, NDIM);
    __shared__ Number<T, PARTS> tile[COILS][CELLS];
    __shared__ Taps<T, NDIM, WIDTH, 1 + DIRECTED> taps[BATCH];
    __shared__ Number<T, PARTS> y[BATCH][COILS];
    __shared__ T direction[BATCH][NDIM];

    const int blocks_of_coils = int((coils + COILS - 1) / COILS);
    const int problem = blockIdx.x / blocks_of_coils;
    const Int c0 = Int(blockIdx.x % blocks_of_coils) * COILS;
    if (problem >= problems[bins]) return;
    const int bin = bin_of[problem];
    const int begin = starts[bin] + (problem - problems[bin]) * CHUNK;
    const int end = begin + CHUNK < starts[bin + 1] ? begin + CHUNK : starts[bin + 1];
    int corner[NDIM];
    for (int axis = NDIM - 1, rest = bin; axis >= 0; --axis) {
        const int count = (size_of<NDIM>(axis, n0, n1, n2) + EDGE - 1) / EDGE;
        corner[axis] = rest % count * EDGE;
        rest /= count;
    }
    Number<T, PARTS> *cells = &tile[0][0];
    for (int at = threadIdx.x; at < COILS * CELLS; at += 32 * COILS) cells[at] = {};

    for (int from = begin; from < end; from += BATCH) {
        const int size = end - from < BATCH ? end - from : BATCH;
        __syncthreads(); // the batch before has been used
        for (int at = threadIdx.x; at < size * NDIM * WIDTH; at += 32 * COILS) {
            const int b = at / (NDIM * WIDTH), item = at % (NDIM * WIDTH);
            taps[b].template fill<DEGREE>(item, points, samples, order[from + b], polynomials, n0,
                                          n1, n2);
        }
        for (int at = threadIdx.x; at < size * COILS; at += 32 * COILS) {
            const int b = at / COILS, c = at % COILS;
            y[b][c] = c0 + c < coils ? data[(c0 + c) * samples + order[from + b]]
                                     : Number<T, PARTS>{};
        }
        if (DIRECTED)
            for (int at = threadIdx.x; at < size * NDIM; at += 32 * COILS)
                direction[at / NDIM][at % NDIM] =
                    directions[Int(order[from + at / NDIM]) * NDIM + at % NDIM];
        __syncthreads();
        const int c = threadIdx.x / 32;
        for (int b = 0; b < size; ++b) {
            int first = 0;
            for (int axis = 0; axis < NDIM; ++axis)
                first = first * SIDE + taps[b].cell[axis][0] - corner[axis];
            for (int number = threadIdx.x % 32; number < power(WIDTH, NDIM); number += 32) {
                const Tap<T, NDIM, 1 + DIRECTED> tap(taps[b], number);
                const T w = weight_along<DIRECTED>(tap, direction[b]);
                int at = 0;
                for (int axis = 0; axis < NDIM; ++axis) at = at * SIDE + tap.place[axis];
#pragma unroll
                for (int part = 0; part < PARTS; ++part)
                    tile[c][first + at].part[part] += w * y[b][c].part[part];
            }
            __syncwarp(); // the next point's lanes take other cells
        }
    }
    __syncthreads();
    for (int at = threadIdx.x; at < COILS * CELLS; at += 32 * COILS) {
        const Int c = c0 + at / CELLS;
        const Number<T, PARTS> sum = cells[at];
        bool empty = true; // no point of the bin came here
        for (int part = 0; part < PARTS; ++part) empty = empty && sum.part[part] == 0;
        if (c >= coils || empty) continue;
        int place[NDIM];
        for (int axis = NDIM - 1, rest = at % CELLS; axis >= 0; --axis) {
            const int size = size_of<NDIM>(axis, n0, n1, n2);
            place[axis] = corner[axis] + rest % SIDE;
            while (place[axis] >= size) place[axis] -= size;
            rest /= SIDE;
        }
        Int cell = 0;
        for (int axis = 0; axis < NDIM; ++axis)
            cell = cell * size_of<NDIM>(axis, n0, n1, n2) + place[axis];
        add_to(grid + c * (n0 * n1 * n2) + cell, sum);
    }
}

// --- sorting points by bins: count, scan, scatter --------------------------------------------

// The bin of each point, and its rank among those of its bin: in no fixed order.
template <typename T, int NDIM, int WIDTH, int EDGE>
__global__ void count(const T *__restrict__ points, Int samples, Int n0, Int n1, Int n2,
                      int *__restrict__ keys, int *__restrict__ ranks, int *__restrict__ counts) {
    const Int j = blockIdx.x * Int(blockDim.x) + threadIdx.x;
    if (j >= samples) return;
    int key = 0;
    for (int axis = 0; axis < NDIM; ++axis) {
        const int size = size_of<NDIM>(axis, n0, n1, n2);
        T x;
        key = key * ((size + EDGE - 1) / EDGE) +
              locate<T, WIDTH>(points[axis * samples + j], size, x) / EDGE;
    }
    keys[j] = key;
    ranks[j] = atomicAdd(&counts[key], 1);
}

// Where each bin starts among the sorted points, and among the problems of at most CHUNK points
// that it is cut into; the bin of each problem. One block of SCAN threads.
__global__ void scan(const int *__restrict__ counts, Int bins, int *__restrict__ starts,
                     int *__restrict__ problems, int *__restrict__ bin_of) {
    __shared__ int points_before[2][SCAN], problems_before[2][SCAN];
    const Int each = (bins + SCAN - 1) / SCAN;
    const Int begin = threadIdx.x * each < bins ? threadIdx.x * each : bins;
    const Int end = begin + each < bins ? begin + each : bins;
    int start = 0, problem = 0;
    for (Int bin = begin; bin < end; ++bin) {
        start += counts[bin];
        problem += (counts[bin] + CHUNK - 1) / CHUNK;
    }
    points_before[0][threadIdx.x] = start;
    problems_before[0][threadIdx.x] = problem;
    int now = 0;
    for (int step = 1; step < SCAN; step *= 2, now = 1 - now) {
        __syncthreads();
        const int other = int(threadIdx.x) - step;
        points_before[1 - now][threadIdx.x] =
            points_before[now][threadIdx.x] + (other < 0 ? 0 : points_before[now][other]);
        problems_before[1 - now][threadIdx.x] =
            problems_before[now][threadIdx.x] + (other < 0 ? 0 : problems_before[now][other]);
    }
    // Each thread's own sums are the last in its own: those before it remain.
    start = points_before[now][threadIdx.x] - start;
    problem = problems_before[now][threadIdx.x] - problem;
    for (Int bin = begin; bin < end; ++bin) {
        starts[bin] = start;
        problems[bin] = problem;
        start += counts[bin];
        for (int rest = counts[bin]; rest > 0; rest -= CHUNK) bin_of[problem++] = int(bin);
    }
    if (threadIdx.x == SCAN - 1) {
        starts[bins] = start;
        problems[bins] = problem;
    }
}

__global__ void scatter(const int *__restrict__ keys, const int *__restrict__ ranks,
                        const int *__restrict__ starts, Int samples, int *__restrict__ order) {
    const Int j = blockIdx.x * Int(blockDim.x) + threadIdx.x;
    if (j < samples) order[starts[keys[j]] + ranks[j]] = int(j);
}

// --- images --------------------------------------------------------------------------------

// The row and column of a thread, where `columns` threads in whole blocks share a row.
struct Place {
    Int coil, plane, row, column;

    __device__ Place(Int planes, Int rows, Int columns) {
        const unsigned blocks = unsigned((columns + blockDim.x - 1) / blockDim.x);
        unsigned line = blockIdx.x / blocks;
        column = Int(blockIdx.x % blocks) * blockDim.x + threadIdx.x;
        row = line % unsigned(rows);
        line /= unsigned(rows);
        plane = line % unsigned(planes);
        coil = line / unsigned(planes);
    }
};

// The voxel that lies in a cell, or -1: those that are not negative first, the negative ones at the
// end. `cell_of` is the inverse.
__device__ inline Int voxel_of(Int cell, Int voxels, Int cells) {
    if (cell < voxels - voxels / 2) return cell + voxels / 2;
    return cell >= cells - voxels / 2 ? cell - (cells - voxels / 2) : -1;
}

__device__ inline Int cell_of(Int voxel, Int voxels, Int cells) {
    return voxel < voxels / 2 ? voxel - voxels / 2 + cells : voxel - voxels / 2;
}

// The deconvolved image on the grid, with zeros around it. factors: those of all axes in turn.
template <typename T>
__global__ void pad(const Number<T, 2> *__restrict__ image, Int N0, Int N1, Int N2,
                    const T *__restrict__ factors, Number<T, 2> *__restrict__ grid, Int n0, Int n1,
                    Int n2) {
    const Place at(n0, n1, n2);
    if (at.column >= n2) return;
    const Int p = voxel_of(at.plane, N0, n0), q = voxel_of(at.row, N1, n1);
    const Int m = voxel_of(at.column, N2, n2);
    Number<T, 2> value = {};
    if (p >= 0 && q >= 0 && m >= 0) {
        const T factor = factors[p] * factors[N0 + q] * factors[N0 + N1 + m];
        value = image[((at.coil * N0 + p) * N1 + q) * N2 + m];
        value.part[0] *= factor;
        value.part[1] *= factor;
    }
    grid[((at.coil * n0 + at.plane) * n1 + at.row) * n2 + at.column] = value;
}

// The deconvolved image from the grid: the transpose of `pad`.
template <typename T>
__global__ void crop(const Number<T, 2> *__restrict__ grid, Int n0, Int n1, Int n2,
                     const T *__restrict__ factors, Number<T, 2> *__restrict__ image, Int N0,
                     Int N1, Int N2) {
    const Place at(N0, N1, N2);
    if (at.column >= N2) return;
    const Int p = cell_of(at.plane, N0, n0), q = cell_of(at.row, N1, n1);
    const Int m = cell_of(at.column, N2, n2);
    const T factor = factors[at.plane] * factors[N0 + at.row] * factors[N0 + N1 + at.column];
    Number<T, 2> value = grid[((at.coil * n0 + p) * n1 + q) * n2 + m];
    value.part[0] *= factor;
    value.part[1] *= factor;
    image[((at.coil * N0 + at.plane) * N1 + at.row) * N2 + at.column] = value;
}

// A voxel times that of a map, real or complex, or times its conjugate if CONJUGATE.
template <int CONJUGATE, typename T, int PARTS>
__device__ Number<T, 2> product(Number<T, PARTS> s, Number<T, 2> x) {
    Number<T, 2> value = {s.part[0] * x.part[0], s.part[0] * x.part[1]};
    if constexpr (PARTS == 2) {
        const T u = CONJUGATE ? -s.part[1] : s.part[1];
        value.part[0] -= u * x.part[1];
        value.part[1] += u * x.part[0];
    }
    return value;
}

// `pad` of the images maps[i % maps_count] image[i / maps_count], numbered from `start`.
template <typename T, int PARTS>
__global__ void pad_coils(const Number<T, 2> *__restrict__ image, Int N0, Int N1, Int N2,
                          const T *__restrict__ factors, const Number<T, PARTS> *__restrict__ maps,
                          Int maps_count, Int start, Number<T, 2> *__restrict__ grid, Int n0,
                          Int n1, Int n2) {
    const Place at(n0, n1, n2);
    if (at.column >= n2) return;
    const Int p = voxel_of(at.plane, N0, n0), q = voxel_of(at.row, N1, n1);
    const Int m = voxel_of(at.column, N2, n2);
    Number<T, 2> value = {};
    if (p >= 0 && q >= 0 && m >= 0) {
        const Int number = start + at.coil, voxel = (p * N1 + q) * N2 + m, voxels = N0 * N1 * N2;
        const T factor = factors[p] * factors[N0 + q] * factors[N0 + N1 + m];
        value = product<0>(maps[number % maps_count * voxels + voxel],
                           image[number / maps_count * voxels + voxel]);
        value.part[0] *= factor;
        value.part[1] *= factor;
    }
    grid[((at.coil * n0 + at.plane) * n1 + at.row) * n2 + at.column] = value;
}

// image[i / maps_count] += conj(maps[i % maps_count]) crop: the transpose of `pad_coils`. A thread
// adds up `coils` coils of a voxel, in their order.
template <typename T, int PARTS>
__global__ void crop_coils(const Number<T, 2> *__restrict__ grid, Int n0, Int n1, Int n2,
                           const T *__restrict__ factors, const Number<T, PARTS> *__restrict__ maps,
                           Int maps_count, Int start, Int coils, Number<T, 2> *__restrict__ image,
                           Int N0, Int N1, Int N2) {
    const Place at(N0, N1, N2);
    if (at.column >= N2) return;
    const Int p = cell_of(at.plane, N0, n0), q = cell_of(at.row, N1, n1);
    const Int m = cell_of(at.column, N2, n2), b = start / maps_count + at.coil;
    const T factor = factors[at.plane] * factors[N0 + at.row] * factors[N0 + N1 + at.column];
    const Int voxel = (at.plane * N1 + at.row) * N2 + at.column, voxels = N0 * N1 * N2;
    const Int begin = b * maps_count > start ? b * maps_count - start : 0;
    const Int end = (b + 1) * maps_count < start + coils ? (b + 1) * maps_count - start : coils;
    Number<T, 2> sum = {};
    for (Int c = begin; c < end; ++c) {
        const Number<T, 2> value = product<1>(maps[(start + c) % maps_count * voxels + voxel],
                                              grid[((c * n0 + p) * n1 + q) * n2 + m]);
        sum.part[0] += value.part[0];
        sum.part[1] += value.part[1];
    }
    image[b * voxels + voxel].part[0] += factor * sum.part[0];
    image[b * voxels + voxel].part[1] += factor * sum.part[1];
}

// --- the Jacobian: derivatives (NDIM, coils, samples) ------------------------------------------

// out[c, j] = sum_a direction[j, a] derivatives[a, c, j]
template <typename T, int NDIM>
__global__ void along(const Number<T, 2> *__restrict__ derivatives, const T *__restrict__ direction,
                      Number<T, 2> *__restrict__ out, Int samples, Int coils) {
    const Int j = blockIdx.x * Int(blockDim.x) + threadIdx.x;
    if (j >= samples) return;
    for (Int c = 0; c < coils; ++c) {
        Number<T, 2> sum = {};
#pragma unroll
        for (int a = 0; a < NDIM; ++a) {
            const Number<T, 2> D = derivatives[(a * coils + c) * samples + j];
            sum.part[0] += direction[j * NDIM + a] * D.part[0];
            sum.part[1] += direction[j * NDIM + a] * D.part[1];
        }
        out[c * samples + j] = sum;
    }
}

// out[j, a] = sum_c <data[c, j], derivatives[a, c, j]>: the transpose of `along`.
template <typename T, int NDIM>
__global__ void against(const Number<T, 2> *__restrict__ derivatives,
                        const Number<T, 2> *__restrict__ data, T *__restrict__ out, Int samples,
                        Int coils) {
    const Int j = blockIdx.x * Int(blockDim.x) + threadIdx.x;
    if (j >= samples) return;
    T sums[NDIM] = {};
    for (Int c = 0; c < coils; ++c) {
        const Number<T, 2> y = data[c * samples + j];
#pragma unroll
        for (int a = 0; a < NDIM; ++a) {
            const Number<T, 2> D = derivatives[(a * coils + c) * samples + j];
            sums[a] += y.part[0] * D.part[0] + y.part[1] * D.part[1];
        }
    }
#pragma unroll
    for (int a = 0; a < NDIM; ++a) out[j * NDIM + a] = sums[a];
}

// out[j, a, b] = sum_c <derivatives[a, c, j], derivatives[b, c, j]>
template <typename T, int NDIM>
__global__ void outer_products(const Number<T, 2> *__restrict__ derivatives, T *__restrict__ out,
                               Int samples, Int coils) {
    const Int j = blockIdx.x * Int(blockDim.x) + threadIdx.x;
    if (j >= samples) return;
    T sums[NDIM][NDIM] = {};
    for (Int c = 0; c < coils; ++c) {
        Number<T, 2> D[NDIM];
#pragma unroll
        for (int a = 0; a < NDIM; ++a) D[a] = derivatives[(a * coils + c) * samples + j];
#pragma unroll
        for (int a = 0; a < NDIM; ++a)
#pragma unroll
            for (int b = 0; b < NDIM; ++b)
                sums[a][b] += D[a].part[0] * D[b].part[0] + D[a].part[1] * D[b].part[1];
    }
#pragma unroll
    for (int a = 0; a < NDIM; ++a)
#pragma unroll
        for (int b = 0; b < NDIM; ++b) out[(j * NDIM + a) * NDIM + b] = sums[a][b];
}
